"""Why a deployment failed, for its page."""

from django import template

from deployments.models import Deployment
from deployments.remedies import Dossier
from portal.core.models import User

register = template.Library()


@register.simple_tag
def dossier_of(deployment: Deployment, user: User) -> Dossier:
    """The diagnoses of a failure with what this person can do, and what was gathered."""
    return Dossier(deployment, user)
