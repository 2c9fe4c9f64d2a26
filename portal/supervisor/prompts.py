"""Rings for work that is due in the tables although no message says so: messages may be lost, rows are not."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from deployments import sweep as containers
from deployments.models import Deployment, Environment
from instances import fleet, sweep
from portal.core import heartbeat
from portal.core.queue import enqueue, is_waiting
from portal.tasks import HOUSEKEEPING

HOUSEKEEPING_SECONDS = 24 * 3600


def deployments_are_due() -> bool:
    """Some deployment is due and nobody works on it: unclaimed, or its worker died."""
    unclaimed = Q(lease_owner="") | Q(lease_until__lt=Now())
    return Deployment.objects.filter(unclaimed, due_at__lte=Now()).exists()


def environments_are_due() -> bool:
    """Some environment is due for a look at what runs there."""
    return Environment.objects.filter(next_check_at__lte=Now()).exists()


def housekeeping_is_due() -> bool:
    """A day has passed since what is kept for a while only was cleared away."""
    age = heartbeat.age(HOUSEKEEPING)
    return age is None or age > HOUSEKEEPING_SECONDS


@dataclass
class Prompt:
    """A cheap question, and the task to run when the answer is yes."""

    is_due: Callable[[], bool]
    task: str
    message: int = field(default=0, init=False)

    def look(self) -> None:
        """Enqueue the task when it is due, unless our last message for it still waits."""
        if self.is_due() and not (self.message and is_waiting(self.message)):
            self.message = enqueue(self.task)


class Prompts:
    """All of them, looked at every few seconds."""

    def __init__(self) -> None:
        self._prompts = [
            Prompt(deployments_are_due, "deployments.tasks.work"),
            Prompt(environments_are_due, "deployments.tasks.watch_due"),
            Prompt(fleet.is_due, "instances.tasks.work"),
            Prompt(sweep.is_due, "instances.tasks.sweep"),
            Prompt(containers.is_due, "deployments.tasks.sweep"),
            Prompt(housekeeping_is_due, "portal.tasks.housekeeping"),
        ]
        self._looked_at = 0.0

    def look_if_due(self) -> None:
        """Ask all questions; raises when the database does not answer."""
        if time.monotonic() - self._looked_at < settings.LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        for prompt in self._prompts:
            prompt.look()
