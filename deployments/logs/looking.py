"""What the hub reads of a deployment: one query while nothing happens, two or three when something did."""

from typing import NamedTuple

from deployments.logs.frames import Frame, Outcome, StepState, log_frame
from deployments.logs.reading import read
from deployments.models import Deployment, Step

# Read at once; what does not fit into one frame is read again for the next.
PAGE_LINES = 1000
# If none of these has changed, no worker has done anything: every slice moves the lease or the due time.
WATCHED = ("status", "log_count", "fence", "lease_until", "due_at", "finished_at")


class Look(NamedTuple):
    """A deployment at one moment; `frame` are the lines that were not there before."""

    mark: tuple[object, ...]
    log_count: int
    frame: Frame | None
    steps: list[StepState]
    outcome: Outcome | None


class Gone(Exception):
    """The deployment is no longer there."""


def look(key: int, identifier: str, before: Look | None) -> Look | None:
    """Read how the deployment is; None when nothing has happened since the look before."""
    rows = Deployment.objects.filter(pk=key)
    found = rows.values_list(*WATCHED, "url", "failure_code", "failure_detail").first()
    if found is None:
        raise Gone
    mark, (url, code, detail) = found[: len(WATCHED)], found[len(WATCHED) :]
    if before and mark == before.mark:
        return None
    status, log_count = mark[:2]
    finished = mark[-1] is not None
    return Look(
        mark=mark,
        log_count=log_count,
        frame=page(key, identifier, before.log_count) if before and log_count > before.log_count else None,
        steps=step_states(key),
        outcome=Outcome(status, url, code, detail) if finished else None,
    )


def step_states(key: int) -> list[StepState]:
    """How far the steps are."""
    rows = Step.objects.filter(deployment=key).order_by("number")
    return [StepState(*values) for values in rows.values_list(*StepState._fields)]


def page(key: int, identifier: str, after: int) -> Frame | None:
    """The lines after a number, as one frame."""
    lines = read(key, after=after, limit=PAGE_LINES)
    return log_frame(identifier, after, lines) if lines else None
