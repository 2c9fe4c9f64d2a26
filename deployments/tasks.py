"""What the queue calls. A message is only a wake-up: the rows say what there is to do."""

import time

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

from deployments import watch
from deployments.models import Deployment
from deployments.pipeline import claims, engine
from deployments.states import ACTIVE, Status
from deployments.sweep import sweep_containers
from instances import fleet

# The canaries of the workers have keys of their own.
QUEUE = settings.Q_CLUSTER["name"]
WORK = "deployments.tasks.work"

# One message keeps a worker for at most this long, so that other tasks get their turn.
WORK_SECONDS = 5.0


def wake() -> None:
    """Let a worker look for what is due; inside a transaction it takes effect at its commit.

    Messages that wait already will look later than now, so a few of them are enough; more would
    only keep the canary waiting.
    """
    if OrmQ.objects.filter(key=QUEUE, lock__lte=timezone.now()).count() < 2 * settings.WORKERS:
        async_task(WORK)


def work() -> None:
    """Advance what is due, slice by slice, until nothing is left or the time is up."""
    run_until(time.monotonic() + WORK_SECONDS)
    if something_waits():
        wake()


def watch_due() -> None:
    """Check the environments whose check is due."""
    until = time.monotonic() + WORK_SECONDS
    while time.monotonic() < until and watch.take_turn():
        pass


def run_until(deadline: float) -> None:
    """Deployments, checks and machines take turns, so that none keeps the others waiting."""
    owner = claims.new_owner()
    while time.monotonic() < deadline:
        advanced = engine.take_turn(owner, deadline)
        checked = watch.take_turn()
        # What a deployment waits for may be the machine itself.
        looked_after = fleet.take_turn()
        if advanced or checked or looked_after:
            continue
        pause = engine.seconds_to_next()
        if pause is None:
            return
        time.sleep(pause)


def sweep() -> None:
    """Look on every machine for containers that no table knows."""
    sweep_containers()


def something_waits() -> bool:
    """Whether a deployment is under way or could begin."""
    return Deployment.objects.filter(Q(status__in=ACTIVE) | Q(status=Status.QUEUED)).exists()
