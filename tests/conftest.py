"""Servers for the tests that need one, and the rule that a machine which has one must not skip them."""

import shutil
from collections.abc import Callable, Generator, Iterator
from functools import cache

import pytest

from tests import nginx_server, postgres, redis_server, sshd
from tests.e2e import cloud, engine
from tests.servers import required

# Marker → whether this machine has it. What PORTAL_TESTS_REQUIRE names may not be skipped.
AVAILABLE: dict[str, Callable[[], bool]] = {
    "postgres": postgres.installed,
    "redis": redis_server.installed,
    "sshd": sshd.installed,
    "docker": engine.is_ready,
    "nginx": nginx_server.installed,
    "cloudbox": cloud.is_there,
    "browser": lambda: shutil.which("chromium") is not None,
}


@cache
def is_available(name: str) -> bool:
    return AVAILABLE[name]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run; `pytest_runtest_makereport` decides whether it may."""
    for name in AVAILABLE:
        if item.get_closest_marker(name) and not is_available(name):
            pytest.skip(f"{name} is not available here")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip for something that is required here is a failure."""
    report = yield
    missing = [name for name in required() if item.get_closest_marker(name)]
    if report.skipped and missing and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} was skipped, but {', '.join(missing)} is required here: {report.longrepr}"
        )
    return report


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The DATABASE_URL of a PostgreSQL server of our own."""
    if not is_available("postgres"):
        pytest.skip("postgres is not available here")
    with postgres.server() as url:
        yield url


@pytest.fixture
def redis_running() -> Iterator[redis_server.RedisServer]:
    """A Redis server of our own."""
    if not is_available("redis"):
        pytest.skip("redis is not available here")
    with redis_server.server() as running:
        yield running
