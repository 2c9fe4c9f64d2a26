"""Behind NGINX as well nobody notices a deployment, good or bad: fifty requests a second, none fails."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cloud import Cloud, get, push_files, register
from tests.e2e.load import Load
from tests.e2e.portal_process import Portal

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cloudbox,
    pytest.mark.timeout(900),
]

# Sample application → the codes that its failure may have. `slow-start` is well, only late.
BROKEN = {
    "crash-on-start": {"container_exited"},
    "wrong-port": {"wrong_port", "unhealthy"},
    "listens-on-127.0.0.1": {"loopback_only"},
    "http-500": {"health_error"},
    "broken-dockerfile": {"build_command_failed", "dockerfile_invalid"},
    "no-dockerfile": {"dockerfile_missing"},
}


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Iterator[Portal]:
    server = cloud.add_server(cloud.named("switching"))
    portal = cloud.portal(
        tmp_path_factory.mktemp("portal"),
        HEALTH_CHECK_INTERVAL="1", HEALTH_CHECK_RETRIES="30", PORTAL_PROVING_SECONDS="5",
    )  # fmt: skip
    register(portal, server, "switching")
    portal.start_worker()
    yield portal
    portal.close()
    cloud.remove_server(cloud.named("switching"))


@pytest.fixture(scope="module")
def repository(cloud: Cloud) -> str:
    """A repository of our own, whose contents each test chooses."""
    return cloud.new_repository(cloud.named("switching"))


def live(portal: Portal, cloud: Cloud, repository: str, folder: Path) -> str:
    """A working version that answers; its URL."""
    push_files(cloud, folder, repository, "hello", version=f"good-{time.monotonic_ns()}")
    end = portal.wait_for_end(portal.deploy(repository, target="switching", name="switching"), seconds=240)
    assert end["status"] == "succeeded", end
    return str(end["url"])


@pytest.mark.parametrize("app", BROKEN)
def test_a_broken_version_never_replaces_a_working_one(
    portal: Portal, cloud: Cloud, repository: str, tmp_path: Path, app: str
) -> None:
    url = live(portal, cloud, repository, tmp_path)
    load = Load(url)
    time.sleep(1)
    good = load.versions[-1]
    push_files(cloud, tmp_path, repository, app)
    end = portal.wait_for_end(portal.deploy(repository, name="switching"), seconds=180)
    time.sleep(1)
    load.stop()
    assert end["status"] == "failed", end
    assert end["code"] in BROKEN[app], end
    assert load.failed == []
    assert set(load.versions) == {good}


def test_a_branch_that_is_not_there_changes_nothing(
    portal: Portal, cloud: Cloud, repository: str, tmp_path: Path
) -> None:
    load = Load(live(portal, cloud, repository, tmp_path))
    end = portal.wait_for_end(
        portal.deploy(repository, name="switching", branch="nobody/has-this"), seconds=60
    )
    load.stop()
    assert (end["status"], end["code"]) == ("failed", "branch_not_found"), end
    assert load.failed == []


def test_a_version_that_starts_slowly_is_waited_for_and_a_rollback_is_quick(
    portal: Portal, cloud: Cloud, repository: str, tmp_path: Path
) -> None:
    url = live(portal, cloud, repository, tmp_path)
    load = Load(url)
    push_files(cloud, tmp_path, repository, "slow-start")
    end = portal.wait_for_end(portal.deploy(repository, name="switching"), seconds=180)
    assert end["status"] == "succeeded", end
    assert "slow-start" in get(url)[1]
    began = time.monotonic()
    uuid = portal.run(
        """
        from deployments import actions
        from deployments.models import Environment
        from portal.core.models import User
        environment = Environment.objects.get(application__name="switching")
        answer = str(actions.rollback(environment=environment, by=User.objects.get()).deployment.uuid)
        """
    )
    back = portal.wait_for_end(uuid, seconds=60)
    seconds = time.monotonic() - began
    time.sleep(3)
    load.stop()
    assert back["status"] == "succeeded", back
    assert seconds < 30
    assert load.failed == []
    assert '"app": "hello"' in get(url)[1]
