"""A real worker for a test: its processes by role, and what its database says."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from portal.supervisor import processes
from tests.e2e.portal_process import ROOT, Portal

ROLES = ["main", "sentinel", "worker 1", "worker 2", "monitor", "pusher"]


class Worker:
    """`manage.py worker` in a portal of its own."""

    def __init__(self, portal: Portal, **environment: str) -> None:
        self.portal = portal
        self.log = portal.folder / "worker.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "worker"], cwd=ROOT, env={**portal.environment, **environment},
                stdout=log, stderr=log,
            )  # fmt: skip

    def cluster(self) -> list[processes.Process]:
        """The processes in the order of ROLES, which is the order in which they are forked."""
        main = [each for each in processes.all_processes() if each.parent == self.process.pid]
        return sorted(processes.members(main[0].pid), key=lambda each: each.pid) if main else []

    def wait_for_cluster(self) -> dict[str, int]:
        """Wait until all processes are there; their ids by role."""
        wait_for(lambda: len(self.cluster()) == len(ROLES), 30, self.log)
        return dict(zip(ROLES, [each.pid for each in self.cluster()], strict=True))

    def stop(self) -> float:
        """Stop it in order; how many seconds that took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=45)
        return time.monotonic() - began


class Database:
    """Reads the portal's SQLite file without a Django of our own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "portal.sqlite3"

    def heartbeat(self, name: str) -> bool:
        return bool(self._ask("SELECT 1 FROM core_heartbeat WHERE name = ?", name))

    def has_message(self, number: int) -> bool:
        return bool(self._ask("SELECT 1 FROM django_q_ormq WHERE id = ?", number))

    def _ask(self, query: str, *values: str | int) -> list[tuple[int]]:
        connection = sqlite3.connect(self.path, timeout=10)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()


@contextmanager
def running_worker(portal: Portal, **environment: str) -> Iterator[Worker]:
    worker = Worker(portal, **environment)
    try:
        yield worker
    finally:
        worker.stop()


def lives(pid: int) -> bool:
    return processes.look_at(pid) is not None


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def wait_for(good: Callable[[], bool], seconds: float, log: Path | None = None) -> float:
    """Wait until it is so; how long that took."""
    began = time.monotonic()
    while not good():
        text = log.read_text()[-2000:] if log else ""
        assert time.monotonic() - began < seconds, f"not within {seconds} s\n{text}"
        time.sleep(0.05)
    return time.monotonic() - began
