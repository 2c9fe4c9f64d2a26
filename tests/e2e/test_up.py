"""One command starts the portal, one Ctrl-C stops it, and whatever dies in between comes back."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.supervisor import processes
from tests.e2e.portal_process import ROOT, Portal
from tests.e2e.worker_process import kill, lives, running_worker, wait_for
from tests.postgres import running
from tests.servers import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

READY_SECONDS = 40
PASSWORD = re.compile(r"password  (\S+)")


class Up:
    """`manage.py up` on a data directory."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.log = folder.parent / f"{folder.name}-{self.port}.log"
        environment = {
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/root"), "PORTAL_DATA_DIR": str(folder),
            "PORT": str(self.port), "PORTAL_CANARY_SECONDS": "1", "PORTAL_CANARY_LIMIT_SECONDS": "10",
        }  # fmt: skip
        with self.log.open("ab") as log:
            # In a session of its own, like a shell's job: a Ctrl-C reaches its whole group.
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.status("/readyz") == 200, READY_SECONDS, self.log)

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def tree(self) -> dict[int, int]:
        """All processes of this portal and their parents."""
        found = {process.pid: process.parent for process in processes.all_processes()}
        members, size = {self.process.pid}, 0
        while len(members) != size:
            size = len(members)
            members |= {pid for pid, parent in found.items() if parent in members}
        return {pid: found[pid] for pid in members if pid in found}

    def child(self, command: str) -> int:
        """The child that runs this command."""
        for pid, parent in self.tree().items():
            line = (processes.PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
            if parent == self.process.pid and command.encode() in line:
                return pid
        raise AssertionError(f"{command} does not run")

    def interrupt(self) -> float:
        """Press Ctrl-C; how long it took until all was over."""
        began = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        assert self.process.wait(timeout=45) == 0
        return time.monotonic() - began

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    started = Up(tmp_path / "data")
    yield started
    started.close()


def test_it_starts_shows_the_password_once_and_ends_without_a_trace(up: Up) -> None:
    up.wait_until_ready()
    wait_for(lambda: f"http://127.0.0.1:{up.port}/" in up.output, 10)
    assert len(PASSWORD.findall(up.output)) == 1
    pids = up.tree()
    assert len(pids) == 9
    print(f"memory (PSS): {sum(map(processes.memory_kb, pids)) // 1024} MB in {len(pids)} processes")

    assert up.interrupt() < 15
    assert not any(lives(pid) for pid in pids)

    again = Up(up.folder, up.port)
    try:
        again.wait_until_ready()
        assert len(PASSWORD.findall(again.output)) == 1
    finally:
        again.close()


def test_a_second_start_on_the_same_port_says_so(up: Up) -> None:
    up.wait_until_ready()
    second = Up(up.folder.parent / "other", up.port)
    assert second.process.wait(timeout=30) == 1
    assert "in use" in second.output
    assert "Traceback" not in second.output


def test_a_port_that_others_use_is_named_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        up = Up(tmp_path / "data", other.getsockname()[1])
        assert up.process.wait(timeout=30) == 1
        assert "in use" in up.output
        assert "password" not in up.output


@pytest.mark.parametrize("command", ["web", "worker"])
def test_a_part_that_is_killed_comes_back(up: Up, command: str) -> None:
    up.wait_until_ready()
    killed = up.child(command)
    kill(killed)
    wait_for(lambda: _child_or_none(up, command) not in (None, killed), 20, up.log)
    up.wait_until_ready()


def test_nothing_outlives_a_parent_that_is_killed(up: Up) -> None:
    up.wait_until_ready()
    pids = up.tree()
    kill(up.process.pid)
    wait_for(lambda: not any(lives(pid) for pid in pids), 15)


def test_two_starts_at_once_prepare_once(tmp_path: Path) -> None:
    both = [Up(tmp_path / "data"), Up(tmp_path / "data")]
    try:
        for up in both:
            up.wait_until_ready()
        assert sum(len(PASSWORD.findall(up.output)) for up in both) == 1
        assert all("Traceback" not in up.output for up in both)
    finally:
        for up in both:
            up.close()


@pytest.mark.postgres
def test_a_worker_outlasts_its_database(tmp_path: Path) -> None:
    with running() as server:
        portal = Portal(
            tmp_path / "data",
            DATABASE_URL=server.url,
            PORTAL_CANARY_SECONDS="1",
            PORTAL_CANARY_LIMIT_SECONDS="3",
        )
        with running_worker(portal) as worker:
            pids = worker.wait_for_cluster()
            beat_and_wait(portal)
            server.stop()
            time.sleep(10)
            assert set(pids.values()) & {each.pid for each in worker.cluster()}
            server.start()
            beat_and_wait(portal)
            assert lives(worker.process.pid)
            # A task that ran when the database went may say so, with its traceback, as one line of
            # the log; no process may end with one.
            assert not re.search(r"^Traceback", worker.log.read_text(), re.MULTILINE)


def beat_and_wait(portal: Portal) -> None:
    """Have the queue run a task and wait until it has."""
    name = f"beat {time.monotonic()}"
    # The process that runs this code has kept its connection over the restart.
    portal.run("from django.db import connection; connection.close()")
    portal.run(f"from portal.core.queue import enqueue; enqueue('portal.core.heartbeat.beat', {name!r})")
    wait_for(
        lambda: (
            portal.run(f"from portal.core import heartbeat; answer = heartbeat.age({name!r})") is not None
        ),
        30,
    )


def _child_or_none(up: Up, command: str) -> int | None:
    with contextlib.suppress(AssertionError, OSError):
        return up.child(command)
    return None
