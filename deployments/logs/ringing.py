"""Says that a deployment has news: lines, a step, an end."""

from deployments.models import Deployment
from portal.core import bell

TOPIC = "log"


def ring(deployment: Deployment) -> None:
    """Wake everybody who watches this deployment; inside a transaction, on its commit."""
    bell.ring(TOPIC, str(deployment.pk))
