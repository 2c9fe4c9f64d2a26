"""What the queue calls for machines. A message is only a wake-up: the rows say what there is to do."""

import time

from instances import fleet
from instances.sweep import sweep as compare_with_aws
from portal.core import pulse
from portal.core.queue import enqueue

WORK = "instances.tasks.work"
# One message keeps a worker for at most this long, so that deployments get their turn.
WORK_SECONDS = 5.0


def wake() -> None:
    """Let a worker look for instances that are due; inside a transaction, after its commit."""
    enqueue(WORK)


def work() -> None:
    """Give every instance that is due its turn, until nothing is left or the time is up."""
    until = time.monotonic() + WORK_SECONDS
    while time.monotonic() < until and not pulse.stop_asked():
        if not fleet.take_turn():
            return


def sweep() -> None:
    """Compare AWS with the tables."""
    compare_with_aws()
