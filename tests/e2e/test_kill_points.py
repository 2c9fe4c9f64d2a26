"""Kill -9 of the worker at four points of every step: it always ends as an undisturbed run does."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.pipeline.kill_points import POINTS
from tests.e2e.portal_process import Portal, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

KEYS = [
    "validate", "dockerfile", "security_group", "instance", "ssh", "docker",
    "nginx", "clone", "build", "run", "proxy", "health",
]  # fmt: skip


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    portal = Portal(tmp_path_factory.mktemp("portal"))
    yield portal
    portal.close()


@pytest.fixture(scope="module")
def undisturbed(portal: Portal) -> list[list[str]]:
    """The steps of a first deployment and of one that follows it, when nobody dies."""
    worker = portal.start_worker()
    ends = [portal.wait_for_end(portal.deploy(environment="golden")) for _ in range(2)]
    worker.kill()
    assert [end["status"] for end in ends] == ["succeeded", "succeeded"], ends
    return [[step[1] for step in end["steps"]] for end in ends]


def test_the_list_of_points_is_complete(portal: Portal, undisturbed: list[list[str]]) -> None:
    plan = portal.run(
        """
        from deployments.pipeline import plans
        answer = [spec.key for spec in plans.LOCAL]
        """
    )
    assert plan == KEYS
    assert len(KEYS) * len(POINTS) == 48


@pytest.mark.parametrize("key", KEYS)
def test_a_worker_killed_anywhere_in_a_step_loses_nothing(
    portal: Portal, undisturbed: list[list[str]], key: str, tmp_path: Path
) -> None:
    """The same environment again and again: so a version is live each time, and exactly one at the end."""
    for point in POINTS:
        marker = tmp_path / point
        uuid = portal.deploy(environment="killed", options={"no_cache": True} if key == "build" else {})
        victim = portal.start_worker(PORTAL_KILL_AT=f"{key}:{point}:{marker}")
        assert victim.wait(timeout=60) == -9
        assert marker.exists()
        survivor = portal.start_worker()
        end = portal.wait_for_end(uuid)
        assert (end["status"], end["code"]) == ("succeeded", ""), (point, end)
        assert [step[1] for step in end["steps"]] in undisturbed
        assert end["numbers"] == list(range(1, end["count"] + 1))
        running = wait_until(
            lambda end=end: portal.containers(end["environment"]), lambda found: len(found) == 1, seconds=30
        )
        assert running == [{"name": end["container"], "running": True}]
        with urllib.request.urlopen(end["url"] + "health", timeout=5) as answer:
            assert answer.status == 200
        survivor.kill()
        survivor.wait(timeout=10)
