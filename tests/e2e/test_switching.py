"""Traffic switches last: nobody who uses the application notices a deployment, good or bad."""

import http.client
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import apps
from tests.e2e.load import Load
from tests.e2e.portal_process import Portal
from tests.git_server import GitServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    server = GitServer(tmp_path_factory.mktemp("git"))
    yield server
    server.close()


@pytest.fixture(scope="module", params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def portal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, git: GitServer
) -> Iterator[Portal]:
    portal = Portal(
        tmp_path_factory.mktemp("portal"),
        GIT_ALLOWED_HOSTS=git.base,
        PORTAL_LOCAL_RUNTIME=request.param,
        PORTAL_PROVING_SECONDS="25",
        HEALTH_CHECK_INTERVAL="1",
        HEALTH_CHECK_RETRIES="30",
    )
    portal.start_worker()
    yield portal
    portal.close()


def first_version(portal: Portal, git: GitServer, name: str) -> dict[str, object]:
    git.commit(name, apps.app("one"))
    end = portal.wait_for_end(portal.deploy(git.url(name)))
    assert end["status"] == "succeeded", end
    return end


def test_a_redeploy_under_load_fails_no_request(portal: Portal, git: GitServer) -> None:
    url = str(first_version(portal, git, "good")["url"])
    load = Load(url)
    git.commit("good", apps.app("two"))
    end = portal.wait_for_end(portal.deploy(git.url("good")))
    time.sleep(3)  # the version before is drained and stopped only now
    load.stop()
    assert end["status"] == "succeeded"
    assert end["url"] == url
    assert load.failed == []
    assert load.versions[0] == "one"
    assert load.versions[-1] == "two"


@pytest.mark.parametrize("name", apps.BROKEN)
def test_a_broken_version_never_replaces_a_working_one(portal: Portal, git: GitServer, name: str) -> None:
    files, codes = apps.BROKEN[name]
    repository = name.replace(" ", "-").replace(",", "")
    url = str(first_version(portal, git, repository)["url"])
    load = Load(url)
    git.commit(repository, files)
    end = portal.wait_for_end(portal.deploy(git.url(repository)), seconds=120)
    time.sleep(1)
    load.stop()
    assert end["status"] in ("failed", "rolled_back"), end
    assert end["code"] in codes, end
    assert load.failed == []
    assert load.versions[-1] == "one"
    running = [found["running"] for found in portal.containers(str(end["environment"]))]
    assert running == [True]


@pytest.mark.parametrize("portal", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True)
def test_an_application_that_listens_on_loopback_only_is_told_so(portal: Portal, git: GitServer) -> None:
    git.commit("loopback", apps.app("one", bind="127.0.0.1"))
    end = portal.wait_for_end(portal.deploy(git.url("loopback")), seconds=120)
    assert (end["status"], end["code"]) == ("failed", "loopback_only"), end
    assert portal.containers(str(end["environment"])) == []


def test_a_rollback_needs_no_git_and_is_quick(portal: Portal, git: GitServer, tmp_path: Path) -> None:
    url = str(first_version(portal, git, "back")["url"])
    git.commit("back", apps.app("two"))
    assert portal.wait_for_end(portal.deploy(git.url("back")))["status"] == "succeeded"
    (git.folder / "acme" / "back.git").rename(tmp_path / "gone.git")
    load = Load(url)
    began = time.monotonic()
    uuid = portal.run(
        """
        from deployments import actions
        from deployments.models import Environment
        from portal.core.models import User
        environment = Environment.objects.get(application__name="back")
        answer = str(actions.rollback(environment=environment, by=User.objects.get()).deployment.uuid)
        """
    )
    end = portal.wait_for_end(uuid, seconds=40)
    seconds = time.monotonic() - began
    time.sleep(2)
    load.stop()
    assert end["status"] == "succeeded", end
    assert seconds < 30
    assert load.failed == []
    assert load.versions[-1] == "one"


def test_a_crash_is_seen_and_repaired(portal: Portal, git: GitServer) -> None:
    crashing = apps.app("one", answer="os._exit(9) if self.path == '/crash' else None")
    git.commit("crash", crashing)
    end = portal.wait_for_end(portal.deploy(git.url("crash")))
    load = Load(str(end["url"]))
    connection = load.connect()
    connection.request("GET", "/crash")
    status = connection.getresponse().status
    load.stop()
    assert status == 502
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        if (health := portal.state(portal_uuid(portal, "crash")))["health"] == "healthy" and _answers(
            str(end["url"])
        ):
            break
        time.sleep(0.5)
    assert health["health"] == "healthy"
    assert _answers(str(end["url"]))


def portal_uuid(portal: Portal, name: str) -> str:
    uuid: str = portal.run(
        f"""
        from deployments.models import Deployment
        answer = str(Deployment.objects.filter(application__name={name!r}).first().uuid)
        """
    )
    return uuid


def _answers(url: str) -> bool:
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
