"""The log as a page shows it first: the newest lines under their steps, and where older ones are."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.utils import timezone

from deployments.logs.lines import Line
from deployments.logs.reading import Run, first_error, outline, tail
from deployments.models import Deployment, Step
from deployments.states import STEP_LOOKS, StepStatus
from portal.core.states import Look

FIRST_LINES = 500


@dataclass
class Group:
    """Consecutive lines of one step; `missing` of them are not on the page yet, numbers up to `missing_upto`."""

    step: Step
    run: Run
    lines: list[Line] = field(default_factory=list)

    @property
    def look(self) -> Look:
        return STEP_LOOKS[StepStatus(self.step.status)]

    @property
    def is_open(self) -> bool:
        """What runs or failed is open, what went well is folded."""
        return self.step.status in (StepStatus.RUNNING, StepStatus.FAILED)

    @property
    def missing_after(self) -> int:
        return self.run.first - 1

    @property
    def missing_upto(self) -> int:
        return self.lines[0].number - 1 if self.lines else self.run.last

    @property
    def missing(self) -> int:
        return self.missing_upto - self.missing_after


@dataclass
class Panel:
    """All that the template needs, in a constant number of queries however long the log is."""

    deployment: Deployment

    @cached_property
    def lines(self) -> list[Line]:
        return tail(self.deployment, limit=FIRST_LINES)

    @cached_property
    def steps(self) -> dict[int, Step]:
        return {step.number: step for step in self.deployment.steps.all()}

    @cached_property
    def groups(self) -> list[Group]:
        """One for each run of lines of a step, up to the last line on the page."""
        shown = self.lines
        runs = [
            Run(run.step, run.first, min(run.last, self.after))
            for run in outline(self.deployment)
            if run.first <= self.after and run.step in self.steps
        ]
        return [
            Group(self.steps[run.step], run, [line for line in shown if run.first <= line.number <= run.last])
            for run in runs
        ]

    @property
    def after(self) -> int:
        """The number of the last line on the page."""
        return self.lines[-1].number if self.lines else 0

    @cached_property
    def first_error(self) -> int:
        """The number of the line that a failed step opens at; 0 when there is none."""
        failed = next((step for step in self.steps.values() if step.status == StepStatus.FAILED), None)
        line = first_error(self.deployment, step=failed.number) if failed else None
        return line.number if line else 0

    @property
    def step_states(self) -> str:
        """Title and status of each step, for the page's script."""
        return json.dumps({number: [step.title, step.status] for number, step in self.steps.items()})

    @property
    def now(self) -> datetime:
        return timezone.now()
