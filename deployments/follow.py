"""Watching a deployment from a terminal: its lines as they come, until it has ended."""

import time
from collections.abc import Callable

from deployments import logs
from deployments.logs.ringing import TOPIC
from deployments.models import Deployment
from portal.core import bell

BATCH = 500
# The bell may be missed; so often it is looked anyway.
LOOK_EVERY_SECONDS = 1.0
GATHER_SECONDS = 0.05


class TooLong(Exception):
    """The deployment had not ended at the deadline."""


def follow(
    deployment: Deployment,
    *,
    line: Callable[[logs.Line], None],
    status: Callable[[Deployment], None] = lambda deployment: None,
    after: int = 0,
    deadline_seconds: float | None = None,
) -> Deployment:
    """Hand over each line once and in order, and each new status; return the deployment as it ended.

    Without a deadline it goes on for as long as the deployment does, which has a deadline of its own.
    """
    ends = time.monotonic() + deadline_seconds if deadline_seconds is not None else float("inf")
    shown = ""
    with bell.Listener(TOPIC) as listener:
        while True:
            # Before the lines: one that ended before they are read writes no more of them.
            deployment.refresh_from_db()
            if deployment.status != shown:
                shown = deployment.status
                status(deployment)
            after = _hand_over(deployment, after, line)
            if deployment.is_finished:
                return deployment
            if time.monotonic() >= ends:
                raise TooLong
            listener.wait(timeout=max(0.0, min(LOOK_EVERY_SECONDS, ends - time.monotonic())))
            # The bell rings for every deployment; many at once need not be looked at one by one.
            time.sleep(GATHER_SECONDS)


def _hand_over(deployment: Deployment, after: int, line: Callable[[logs.Line], None]) -> int:
    """Read until nothing is left; return the number of the last line."""
    while batch := logs.read(deployment, after=after, limit=BATCH):
        for entry in batch:
            line(entry)
        after = batch[-1].number
    return after
