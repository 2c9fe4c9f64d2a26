"""Who works on a deployment: one conditional UPDATE claims it, and every later write names the fence."""

import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F
from django.db.models.functions import Now

from deployments.models import Deployment, Step
from portal.core.clock import now_plus


class Stale(Exception):
    """Somebody else has claimed the deployment since; this worker must stop and touch nothing."""


@dataclass(frozen=True)
class Claim:
    """The right to write to one deployment, as long as nobody has claimed it after us."""

    deployment_id: int
    fence: int
    owner: str

    def rows(self) -> models.QuerySet[Deployment]:
        return Deployment.objects.filter(pk=self.deployment_id, fence=self.fence, lease_owner=self.owner)

    def check(self) -> None:
        """Raise Stale unless the claim still holds."""
        if not self.rows().exists():
            raise Stale

    def update(self, **changes: Any) -> None:
        """Write to the deployment under the fence."""
        if not self.rows().update(**changes):
            raise Stale

    def update_step(self, step: Step, **changes: Any) -> None:
        """Write to a step of the deployment under the fence."""
        held = self.rows().values("pk")
        if not Step.objects.filter(pk=step.pk, deployment__in=held).update(**changes):
            raise Stale
        for name, value in changes.items():
            if not hasattr(value, "resolve_expression"):
                setattr(step, name, value)

    def renew(self) -> None:
        """Push the end of the lease away."""
        self.update(lease_until=now_plus(timedelta(seconds=settings.LEASE_SECONDS)))

    def release(self, *, wait_seconds: float) -> None:
        """Give the deployment back; it is due again after `wait_seconds`."""
        self.rows().update(lease_owner="", lease_until=None, due_at=now_plus(timedelta(seconds=wait_seconds)))


def new_owner() -> str:
    """A name for this process as a claimer; unique among restarts that reuse a process id."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{os.urandom(4).hex()}"


def take(deployment: Deployment, *, owner: str, **changes: Any) -> Claim | None:
    """Claim this deployment, as it was read; None when somebody else was faster.

    The fence is compared as well as raised: whoever claims in between changes it.
    """
    matched = Deployment.objects.filter(
        models.Q(lease_owner="") | models.Q(lease_until__lt=Now()),
        pk=deployment.pk,
        fence=deployment.fence,
        status=deployment.status,
        due_at__lte=Now(),
    ).update(
        lease_owner=owner,
        lease_until=now_plus(timedelta(seconds=settings.LEASE_SECONDS)),
        fence=F("fence") + 1,
        **changes,
    )
    return Claim(deployment.pk, deployment.fence + 1, owner) if matched else None
