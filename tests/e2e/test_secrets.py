"""A secret given to an application is found nowhere but in the application's own environment."""

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import apps
from tests.e2e.portal_process import Portal
from tests.git_server import GitServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CANARY = "canary-7f3a$'\"\\-line one\nline two-ünïcode-91c4"
PIECES = [CANARY.encode(), b"canary-7f3a", b"-91c4", b"line two-"]
TOKEN = "glpat-canarytoken4711canary"


@pytest.fixture
def git(tmp_path: Path) -> Iterator[GitServer]:
    server = GitServer(tmp_path / "git", token=TOKEN)
    yield server
    server.close()


@pytest.mark.parametrize("runtime", ["process", pytest.param("docker", marks=pytest.mark.docker)])
def test_a_canary_is_nowhere_but_in_the_container(tmp_path: Path, git: GitServer, runtime: str) -> None:
    portal = Portal(
        tmp_path / "portal",
        GIT_ALLOWED_HOSTS=git.base,
        PORTAL_LOCAL_RUNTIME=runtime,
        HEALTH_CHECK_RETRIES="5",
    )
    try:
        seen: set[str] = set()
        worker = portal.start_worker()
        leaky = "print('the key is', os.environ['APP_SECRET'])"
        git.commit("canary", apps.app("one", before=leaky))
        options = {"variables": {"APP_SECRET": CANARY}, "git_token": TOKEN}
        uuid = portal.deploy(git.url("canary"), **options)
        while not (end := portal.state(uuid))["finished"]:
            seen |= _command_lines_with([*PIECES, TOKEN.encode()])
            time.sleep(0.05)
        assert end["status"] == "succeeded", end
        with urllib.request.urlopen(end["url"], timeout=5) as answer:
            assert json.load(answer)["env"]["APP_SECRET"] == CANARY
        # A version that prints it and then fails: its last lines go into the log and the evidence.
        git.commit("canary", apps.app("two", before=leaky + "; sys.exit(3)"))
        failed = portal.wait_for_end(portal.deploy(git.url("canary")))
        assert failed["status"] == "failed"
        assert seen == set()
        assert _files_with(portal.folder, [b"canary-7f3a", b"-91c4", TOKEN.encode()], runtime) == []
        worker.kill()
    finally:
        portal.close()


def _command_lines_with(needles: list[bytes]) -> set[str]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            line = (process / "cmdline").read_bytes()
        except OSError:
            continue
        # The test's own helper processes are told the values; what counts is what the portal starts.
        if b"django.setup()" in line:
            continue
        found |= {line.decode(errors="replace") for needle in needles if needle in line}
    return found


def _files_with(folder: Path, needles: list[bytes], runtime: str) -> list[str]:
    """Every file of the portal, its database and its write-ahead log among them."""
    found = []
    for path in folder.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        # What the application itself printed is its own; the portal masks what it takes over.
        if runtime == "process" and path.name.startswith("log") and "host" in path.parts:
            continue
        content = path.read_bytes()
        found += [str(path) for needle in needles if needle in content]
    return found
