"""What the page of a deployment shows, and its fragment shows again while it runs."""

import json
import shlex
import zlib
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from deployments import queries, rules
from deployments.buttons import Button, deployment_buttons
from deployments.models import Deployment, Step
from deployments.pipeline import failures
from deployments.pipeline.failures import Explanation
from deployments.queries import QueuePosition
from deployments.states import LOOKS, Status, StepStatus
from portal.core.models import User
from portal.core.states import Look

OVER = {StepStatus.SUCCEEDED, StepStatus.SKIPPED}
MARKS = {"good": "✓", "bad": "✗", "warn": "!", "info": "▸", "muted": "·"}
# Refreshed this often while it runs; the socket of the log wakes it earlier.
POLL_SECONDS = 2


@dataclass(frozen=True)
class Live:
    """A deployment with all that is shown of it."""

    user: User
    deployment: Deployment

    @cached_property
    def steps(self) -> list[Step]:
        return list(self.deployment.steps.all())

    @cached_property
    def buttons(self) -> list[Button]:
        return deployment_buttons(self.user, self.deployment)

    @property
    def look(self) -> Look:
        return LOOKS[Status(self.deployment.status)]

    @property
    def done(self) -> int:
        return sum(step.status in OVER for step in self.steps)

    @property
    def percent(self) -> int:
        if self.deployment.status == Status.SUCCEEDED:
            return 100
        return self.done * 100 // len(self.steps) if self.steps else 0

    @property
    def current(self) -> Step | None:
        return next((step for step in self.steps if step.status == StepStatus.RUNNING), None)

    @property
    def failed_step(self) -> Step | None:
        return next((step for step in self.steps if step.status == StepStatus.FAILED), None)

    @property
    def explanation(self) -> Explanation | None:
        return failures.explain(self.deployment.failure_code) if self.deployment.failure_code else None

    @cached_property
    def queue(self) -> QueuePosition | None:
        return queries.queue_position(self.deployment) if self.deployment.status == Status.QUEUED else None

    @property
    def duration(self) -> timedelta | None:
        deployment = self.deployment
        if deployment.started_at is None or deployment.finished_at is None:
            return None
        return deployment.finished_at - deployment.started_at

    @property
    def is_live(self) -> bool:
        """Whether this very deployment is what answers now."""
        return self.deployment.environment.live_deployment_id == self.deployment.pk

    @property
    def container_log(self) -> str:
        """The last words of the container, kept as evidence of a failure."""
        return str(self.deployment.evidence.get("container_log", ""))

    @property
    def curl(self) -> str:
        """A command that asks the live application."""
        release = self.deployment.release
        path = release.health_path if release else "/"
        return f"curl -i {shlex.quote(self.deployment.url.rstrip('/') + path)}"

    @property
    def can_see_application(self) -> bool:
        return self.deployment.application.deleted_at is None

    @property
    def may_edit(self) -> bool:
        return self.can_see_application and rules.can_edit(self.user, self.deployment.application)

    @property
    def title(self) -> str:
        return f"{MARKS[self.look.tone]} {self.deployment} · {self.deployment.get_status_display()}"

    @property
    def spoken(self) -> str:
        """One sentence for people who do not see the steps change."""
        if self.current is not None:
            return f"Step {self.current.number} of {len(self.steps)}: {self.current.title}"
        return f"{self.deployment}: {self.deployment.get_status_display()}"

    @cached_property
    def version(self) -> str:
        """Changes whenever the fragment would look different, so that an unchanged one is not sent."""
        shown = [
            self.deployment.status, self.deployment.ending, self.deployment.url, self.is_live,
            self.queue and self.queue.reason, [button.reason for button in self.buttons],
            [(step.status, step.message) for step in self.steps],
        ]  # fmt: skip
        return f"{zlib.crc32(json.dumps(shown).encode()):08x}"
