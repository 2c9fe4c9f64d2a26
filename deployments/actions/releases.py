"""Keeping releases from being removed."""

from django.db import transaction

from deployments import rules
from deployments.actions.refusals import audited
from deployments.models import Release
from portal.core import audit
from portal.core.models import User


@audited("release.protect")
@transaction.atomic
def protect_release(*, release: Release, by: User, protected: bool = True) -> Release:
    """Keep its image however many releases follow, or let it go with the others again."""
    rules.check_can_protect(by, release)
    if release.protected != protected:
        release.protected = protected
        Release.objects.filter(pk=release.pk).update(protected=protected)
        audit.record(
            "release.protect" if protected else "release.unprotect", release, by=by,
            team=release.environment.application.team, environment=release.environment.name,
        )  # fmt: skip
    return release
