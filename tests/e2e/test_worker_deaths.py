"""No death of any process of the queue stops the work, and nothing outlives its supervisor."""

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.portal_process import Portal
from tests.e2e.worker_process import ROLES, Database, Worker, kill, lives, running_worker, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

# As in production, ten times as fast: a canary every second, and patience for four.
FAST = {"PORTAL_CANARY_SECONDS": "1", "PORTAL_CANARY_LIMIT_SECONDS": "4", "PORTAL_LOOK_SECONDS": "1"}
# 60 s in production: detection after 30 s plus one canary's interval, then a restart.
LIMIT_SECONDS = 20

BEAT = "portal.core.heartbeat.beat"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    portal = Portal(tmp_path_factory.mktemp("deaths"), **FAST)
    yield portal
    portal.close()


def enqueue(portal: Portal, name: str) -> int:
    number: int = portal.run(f"from portal.core.queue import enqueue; answer = enqueue({BEAT!r}, {name!r})")
    return number


def run_a_task(worker: Worker) -> None:
    """Enqueue a task and wait until it has run."""
    name = f"task {next(_numbers)}"
    enqueue(worker.portal, name)
    database = Database(worker.portal.folder)
    wait_for(lambda: database.heartbeat(name), LIMIT_SECONDS, worker.log)


def wait_for_the_way_back(worker: Worker) -> None:
    """Wait until a task is acknowledged: what died may have been on the way back."""
    database = Database(worker.portal.folder)
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        number = enqueue(worker.portal, "on the way back")
        with contextlib.suppress(AssertionError):
            wait_for(lambda number=number: not database.has_message(number), 2)
            return
        assert time.monotonic() < deadline, worker.log.read_text()[-2000:]


@pytest.mark.parametrize("role", ROLES)
def test_tasks_run_after_any_of_its_processes_was_killed(portal: Portal, role: str) -> None:
    with running_worker(portal) as worker:
        pids = worker.wait_for_cluster()
        run_a_task(worker)
        kill(pids[role])
        run_a_task(worker)
        wait_for_the_way_back(worker)
        if role in ("main", "sentinel"):
            assert not any(lives(pid) for pid in pids.values())


def test_a_killed_supervisor_takes_its_processes_with_it(portal: Portal) -> None:
    worker = Worker(portal)
    pids = worker.wait_for_cluster()
    kill(worker.process.pid)
    worker.process.wait(timeout=5)
    wait_for(lambda: not any(lives(pid) for pid in pids.values()), 5)


def test_a_frozen_queue_is_killed_as_a_whole_and_started_anew(portal: Portal) -> None:
    with running_worker(portal) as worker:
        pids = worker.wait_for_cluster()
        run_a_task(worker)
        for pid in pids.values():
            os.kill(pid, signal.SIGSTOP)
        run_a_task(worker)
        assert not any(lives(pid) for pid in pids.values())


def test_stopping_is_quick_and_leaves_nothing(portal: Portal) -> None:
    with running_worker(portal) as worker:
        pids = worker.wait_for_cluster()
        run_a_task(worker)
        assert worker.stop() < 10
        assert worker.process.returncode == 0
        assert not any(lives(pid) for pid in pids.values())
        assert not list((portal.folder / "run").glob("worker-*.json"))
