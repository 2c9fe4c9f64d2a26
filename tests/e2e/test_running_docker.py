"""What runs, with a real engine: its log by pieces, and commands that are entered into it."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.pipeline import one_off_job
from deployments.pipeline.runtimes import docker_logs
from instances.hosts.local import LocalHost
from tests.e2e.engine import BASE_IMAGE

pytestmark = [pytest.mark.docker]

NAME = f"portal-test-running-{os.getpid()}"
# As many lines as take several pieces, then one whenever a file appears.
PROGRAM = """
import os, sys, time
for number in range(20000):
    print("line", number)
print("complaint", file=sys.stderr, flush=True)
sys.stdout.flush()
while not os.path.exists("/tmp/go"):
    time.sleep(0.05)
print("new", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    def docker(*words: str) -> None:
        subprocess.run(["docker", *words], check=True, capture_output=True, timeout=60)

    docker("rm", "--force", NAME)
    docker(
        "run", "--detach", "--init", f"--name={NAME}", "--env=KEY=value", BASE_IMAGE, "python", "-c", PROGRAM
    )
    yield NAME
    docker("rm", "--force", NAME)


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path / "host")


def run(host: LocalHost, job: str, command: str) -> tuple[str, int | None]:
    host.start_job(job, one_off_job.script(NAME, command))
    output, code = "", None
    deadline = time.monotonic() + 30
    while code is None and time.monotonic() < deadline:
        output, code = one_off_job.watch(host, job)
    return output, code


def test_all_lines_are_read_once_and_a_new_one_within_two_seconds(container: str, host: LocalHost) -> None:
    deadline = time.monotonic() + 30
    while not docker_logs.read_newest(host, container, lines=1).lines[-1:] and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    lines: list[bytes] = []
    cursor, more = "", True
    while more:
        piece = docker_logs.read_on(host, container, cursor)
        lines += [line.partition(b" ")[2] for line in piece.lines]
        cursor, more = piece.cursor, piece.more
    began = time.monotonic()
    run(host, "one-off-go", "touch /tmp/go")
    while not (fresh := docker_logs.read_on(host, container, cursor).lines):
        assert time.monotonic() - began < 10
        time.sleep(0.5)

    assert [line for line in lines if line != b"complaint"] == [f"line {n}".encode() for n in range(20000)]
    assert b"complaint" in lines
    assert [line.partition(b" ")[2] for line in fresh] == [b"new"]
    assert time.monotonic() - began < 4


def test_a_command_has_the_variables_and_its_exit_code_arrives(container: str, host: LocalHost) -> None:
    said, code = run(host, "one-off-env", "echo \"it is $KEY\"; echo 'a  b' >&2; exit 3")
    # The two streams come by two ways; which is faster nobody promises.
    assert sorted(said.splitlines()) == ["a  b", "it is value"]
    assert code == 3


def test_a_command_that_takes_too_long_is_ended_inside(
    container: str, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = one_off_job.INSIDE.replace(f"-k 5 {one_off_job.DEADLINE_SECONDS}", "-k 5 1")
    monkeypatch.setattr(one_off_job, "INSIDE", inside)

    _, code = run(host, "one-off-long", "echo here; sleep 321")
    left = subprocess.run(
        ["docker", "top", NAME], check=True, capture_output=True, text=True, timeout=30
    ).stdout

    assert code in one_off_job.TIMED_OUT and one_off_job.remark(code)
    assert "sleep 321" not in left
