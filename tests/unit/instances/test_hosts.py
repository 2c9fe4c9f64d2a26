"""This machine and the fake keep what every host promises."""

from pathlib import Path

import pytest

from instances.hosts.base import Host, HostTimeout, Result
from instances.hosts.local import LocalHost
from tests.fakes import FakeHost
from tests.integration.host_contract import HostContract


@pytest.fixture(params=["local", "fake"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    if request.param == "local":
        return LocalHost(tmp_path / "root")
    return FakeHost(
        answers={
            ("echo", "hello"): Result(0, "hello\n", ""),
            ("cat",): lambda argv, given: Result(0, given.decode(), ""),
            ("sh", "-c", "echo no >&2; exit 3"): Result(3, "", "no\n"),
            ("sleep",): HostTimeout("sleep did not end within 0.1 seconds."),
        },
        outcomes={"talk": (b"one\ntwo\n", 4), "run": (b"", None)},
    )


class TestHosts(HostContract):
    pass
