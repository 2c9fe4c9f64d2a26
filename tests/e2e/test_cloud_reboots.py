"""The host restarts in the middle of a step: the deployment goes on when it is back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cloud import Cloud, get, push_files
from tests.e2e.portal_process import Portal, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cloudbox,
    pytest.mark.timeout(600),
]

ON_A_NEW_MACHINE = ["docker", "nginx"]
ON_A_KEPT_MACHINE = ["clone", "build", "run", "proxy", "health"]


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Iterator[Portal]:
    portal = cloud.portal(
        tmp_path_factory.mktemp("portal"),
        PORTAL_INSTALLATION=cloud.named("reboots"),
        PORTAL_PROVING_SECONDS="4",
    )
    portal.start_worker()
    yield portal
    portal.close()
    cloud.end_machines(cloud.named("reboots"))


@pytest.fixture(scope="module")
def repository(cloud: Cloud) -> str:
    return cloud.new_repository(cloud.named("reboots"))


@pytest.mark.parametrize("key", ON_A_NEW_MACHINE)
def test_a_new_machine_that_restarts_while_it_is_made_ready(
    portal: Portal, cloud: Cloud, repository: str, key: str
) -> None:
    uuid = portal.deploy(repository, target="ec2", name=f"new-{key}")
    _reboot_in(portal, cloud, uuid, key)
    _check_it_ends_well(portal, uuid)


@pytest.mark.parametrize("key", ON_A_KEPT_MACHINE)
def test_a_machine_that_restarts_while_it_gets_a_new_version(
    portal: Portal, cloud: Cloud, repository: str, key: str, tmp_path: Path
) -> None:
    there = portal.run(
        "from deployments.models import Application; answer = Application.objects.filter(name='kept').exists()"
    )
    if not there:
        first = portal.wait_for_end(portal.deploy(repository, target="ec2", name="kept"), seconds=240)
        assert first["status"] == "succeeded", first
    push_files(cloud, tmp_path, repository, "hello", version=f"for {key}")
    uuid = portal.deploy(repository, name="kept", options={"no_cache": True})
    _reboot_in(portal, cloud, uuid, key)
    end = _check_it_ends_well(portal, uuid)
    assert f"for {key}" in get(end["url"])[1]


def _reboot_in(portal: Portal, cloud: Cloud, uuid: str, key: str) -> None:
    wait_until(
        lambda: portal.state(uuid),
        lambda state: state["finished"] or any(s[0] == key and s[1] != "pending" for s in state["steps"]),
        seconds=200,
    )
    id = portal.run(
        f"from deployments.models import Deployment; answer = Deployment.objects.get(uuid={uuid!r}).instance.aws_id"
    )
    cloud.fault("do", "reboot", id)


def _check_it_ends_well(portal: Portal, uuid: str) -> dict[str, Any]:
    end = portal.wait_for_end(uuid, seconds=400)
    assert end["status"] == "succeeded", end
    assert end["numbers"] == list(range(1, end["count"] + 1))
    wait_until(lambda: _status(end["url"]), lambda status: status == 200, seconds=60)
    return end


def _status(url: str) -> int:
    try:
        return get(url)[0]
    except OSError:
        return 0
