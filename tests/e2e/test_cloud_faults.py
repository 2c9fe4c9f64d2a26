"""What goes wrong on real machines, each with its promised end and a sentence that somebody can act on."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cloud import Cloud, get, register
from tests.e2e.portal_process import Portal, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cloudbox,
    pytest.mark.timeout(1500),
]


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def portal(tmp_path: Path, cloud: Cloud) -> Iterator[Portal]:
    installation = f"faults-{secrets.token_hex(4)}"
    portal = cloud.portal(tmp_path / "portal", PORTAL_INSTALLATION=installation)
    portal.start_worker()
    yield portal
    cloud.clear_faults()
    portal.close()
    cloud.end_machines(installation)


def machine_of(portal: Portal) -> dict[str, Any]:
    """The instance of the newest deployment, as the tables have it."""
    found: dict[str, Any] = portal.run(
        """
        from deployments.models import Deployment
        i = Deployment.objects.first().instance
        answer = dict(name=i.name, aws_id=i.aws_id, status=i.status, trouble=i.trouble, address=i.address)
        """
    )
    return found


def wait_for_step(portal: Portal, uuid: str, key: str, *, seconds: float = 150) -> None:
    """Until this step is under way."""
    wait_until(
        lambda: portal.state(uuid),
        lambda state: state["finished"] or any(s[0] == key and s[1] != "pending" for s in state["steps"]),
        seconds=seconds,
    )


def test_ssh_that_drops_twenty_times_during_a_build_costs_nothing(portal: Portal, cloud: Cloud) -> None:
    uuid = portal.deploy(cloud.app("huge-log"), target="ec2")
    wait_for_step(portal, uuid, "docker")
    id = machine_of(portal)["aws_id"]
    drops = 0
    while drops < 20 and not portal.state(uuid)["finished"]:
        cloud.fault("do", "ssh-drop", id)
        drops += 1
        time.sleep(0.3)
    end = portal.wait_for_end(uuid, seconds=240)
    assert end["status"] == "succeeded", end
    assert end["numbers"] == list(range(1, end["count"] + 1))
    assert end["count"] >= 100_000
    assert get(end["url"])[0] == 200


def test_ssh_that_is_refused_for_a_minute_is_waited_for(portal: Portal, cloud: Cloud) -> None:
    uuid = portal.deploy(cloud.app("hello"), target="ec2")
    wait_for_step(portal, uuid, "docker")
    id = machine_of(portal)["aws_id"]
    cloud.fault("do", "ssh-refuse", id, "seconds=60")
    cloud.fault("do", "ssh-drop", id)
    end = portal.wait_for_end(uuid, seconds=300)
    assert end["status"] == "succeeded", end


def test_a_machine_that_freezes_is_noticed_and_waited_for(portal: Portal, cloud: Cloud) -> None:
    uuid = portal.deploy(cloud.app("hello"), target="ec2")
    wait_for_step(portal, uuid, "docker")
    id = machine_of(portal)["aws_id"]
    cloud.fault("do", "freeze", id)
    time.sleep(40)
    cloud.fault("do", "thaw", id)
    end = portal.wait_for_end(uuid, seconds=300)
    assert end["status"] == "succeeded", end


def test_a_machine_that_is_ended_by_somebody_else_during_a_deployment(portal: Portal, cloud: Cloud) -> None:
    uuid = portal.deploy(cloud.app("huge-log"), target="ec2")
    wait_for_step(portal, uuid, "docker")
    began = time.monotonic()
    cloud.fault("do", "vanish", machine_of(portal)["aws_id"])
    end = portal.wait_for_end(uuid, seconds=120)
    assert (end["status"], end["code"]) == ("failed", "instance_gone"), end
    assert time.monotonic() - began < 75


def test_a_machine_that_vanishes_later_leaves_a_lost_application(portal: Portal, cloud: Cloud) -> None:
    end = portal.wait_for_end(portal.deploy(cloud.app("hello"), target="ec2"), seconds=240)
    assert end["status"] == "succeeded", end
    began = time.monotonic()
    cloud.fault("do", "vanish", machine_of(portal)["aws_id"])
    wait_until(
        lambda: portal.run(
            "from deployments.models import Environment; answer = Environment.objects.get().health"
        ),
        lambda health: health == "lost",
        seconds=90,
    )
    assert time.monotonic() - began < 75
    assert len(cloud.machines(portal.environment["PORTAL_INSTALLATION"])) == 0, "never a silent new machine"


@pytest.mark.alone
def test_twenty_throttled_calls_slow_it_down_and_no_more(portal: Portal, cloud: Cloud) -> None:
    cloud.fault("api", "*", "RequestLimitExceeded", "count=20")
    end = portal.wait_for_end(portal.deploy(cloud.app("hello"), target="ec2"), seconds=400)
    assert end["status"] == "succeeded", end
    assert len(cloud.machines(portal.environment["PORTAL_INSTALLATION"])) == 1


@pytest.mark.alone
def test_no_capacity_anywhere_ends_with_the_words_of_aws(portal: Portal, cloud: Cloud) -> None:
    cloud.fault("api", "RunInstances", "InsufficientInstanceCapacity", "count=100")
    end = portal.wait_for_end(portal.deploy(cloud.app("hello"), target="ec2"), seconds=120)
    assert (end["status"], end["code"]) == ("failed", "aws_no_capacity"), end
    assert cloud.machines(portal.environment["PORTAL_INSTALLATION"]) == []


@pytest.mark.alone
def test_an_answer_that_is_lost_makes_no_second_machine(portal: Portal, cloud: Cloud) -> None:
    cloud.fault("api", "RunInstances", "x", "drop=1", "after=1", "count=3")
    end = portal.wait_for_end(portal.deploy(cloud.app("hello"), target="ec2"), seconds=240)
    assert end["status"] == "succeeded", end
    assert len(cloud.machines(portal.environment["PORTAL_INSTALLATION"])) == 1


@pytest.mark.alone
def test_a_machine_that_aws_does_not_know_for_a_while_is_waited_for(portal: Portal, cloud: Cloud) -> None:
    cloud.fault("set", "visibility=5")
    try:
        end = portal.wait_for_end(portal.deploy(cloud.app("hello"), target="ec2"), seconds=240)
    finally:
        cloud.fault("set", "visibility=0")
    assert end["status"] == "succeeded", end
    assert len(cloud.machines(portal.environment["PORTAL_INSTALLATION"])) == 1


@pytest.mark.alone
def test_packages_that_are_locked_for_a_while_are_waited_for(portal: Portal, cloud: Cloud) -> None:
    cloud.fault("set", "apt_lock=30")
    try:
        end = portal.wait_for_end(portal.deploy(cloud.app("hello"), target="ec2"), seconds=300)
    finally:
        cloud.fault("set", "apt_lock=0")
    assert end["status"] == "succeeded", end


def test_a_wrong_image_and_a_wrong_key_pair_make_nothing(tmp_path: Path, cloud: Cloud) -> None:
    for setting, value, code in (
        ("EC2_AMI_ID", "ami-0badbadbadbadbad0", "aws_image_not_found"),
        ("AWS_KEY_PAIR_NAME", "nobody-has-this", "aws_key_pair_not_found"),
    ):
        installation = f"wrong-{secrets.token_hex(4)}"
        portal = cloud.portal(tmp_path / setting, **{setting: value, "PORTAL_INSTALLATION": installation})
        portal.start_worker()
        try:
            end = portal.wait_for_end(portal.deploy(cloud.app("hello"), target="ec2"), seconds=90)
            assert (end["status"], end["code"]) == ("failed", code), end
            assert cloud.machines(installation) == []
        finally:
            portal.close()


def test_nothing_is_made_for_a_repository_that_cannot_be_built(portal: Portal, cloud: Cloud) -> None:
    for app, code in (("no-dockerfile", "dockerfile_missing"), ("nobody-has-this", "repository_not_found")):
        end = portal.wait_for_end(portal.deploy(cloud.app(app), target="ec2", name=app), seconds=60)
        assert (end["status"], end["code"]) == ("failed", code), end
    assert cloud.machines(portal.environment["PORTAL_INSTALLATION"]) == []


@pytest.mark.parametrize(
    ("policy", "state"), [("terminate", "terminated"), ("stop", "stopped"), ("keep", "running")]
)
def test_the_machine_of_a_failed_deployment_is_cleaned_up_as_its_environment_says(
    portal: Portal, cloud: Cloud, policy: str, state: str
) -> None:
    portal.run(
        f"""
        from deployments import actions
        from instances.actions import create_ec2
        from portal.core.models import Team, User
        by, team = User.objects.get(username="admin"), Team.objects.get()
        application = actions.create_application(by=by, team=team, git_url={cloud.app("crash-on-start")!r}, name="crash")
        actions.create_environment(
            application=application, by=by, name="dev", instance=create_ec2(by=by, name="crash", team=team),
            on_failure={policy!r},
        )
        """
    )
    end = portal.wait_for_end(portal.deploy(cloud.app("crash-on-start"), name="crash"), seconds=240)
    assert (end["status"], end["code"]) == ("failed", "container_exited"), end
    status = portal.run(
        "from instances.models import Instance; answer = Instance.objects.get(name='crash').status"
    )
    assert status == state
    left = cloud.machines(portal.environment["PORTAL_INSTALLATION"])
    assert [machine["State"]["Name"] for machine in left] == ([] if state == "terminated" else [state])


@pytest.fixture
def box(portal: Portal, cloud: Cloud) -> Iterator[str]:
    """A server with a live `hello` on it."""
    name = f"box-{secrets.token_hex(3)}"
    server = cloud.add_server(name)
    register(portal, server, name)
    end = portal.wait_for_end(portal.deploy(cloud.app("hello"), target=name), seconds=240)
    assert end["status"] == "succeeded", end
    yield name
    cloud.remove_server(name)


def test_a_changed_host_key_stops_everything(portal: Portal, cloud: Cloud, box: str) -> None:
    cloud.fault("do", "new-host-keys", box)
    # Who is signed in already talks to the machine that was checked.
    cloud.fault("do", "ssh-drop", box)
    end = portal.wait_for_end(portal.deploy(cloud.app("hello")), seconds=90)
    assert (end["status"], end["code"]) == ("failed", "ssh_host_key_changed"), end
    assert "SHA256:" in end["detail"]


def test_a_full_disk_is_said_and_the_old_version_goes_on(portal: Portal, cloud: Cloud, box: str) -> None:
    url = portal.run("from deployments.models import Environment; answer = Environment.objects.get().url")
    cloud.fault("do", "disk-full", box)
    began = time.monotonic()
    try:
        end = portal.wait_for_end(portal.deploy(cloud.app("hello"), options={"no_cache": True}), seconds=90)
        assert (end["status"], end["code"]) == ("failed", "disk_full"), end
        assert time.monotonic() - began < 40
        assert get(url)[0] == 200
    finally:
        cloud.fault("do", "disk-free", box)


@pytest.mark.alone
def test_a_registry_that_limits_pulls_is_named(portal: Portal, cloud: Cloud) -> None:
    cloud.fault(
        "registry", "429", "match=manifests", "count=1000", "message=You have reached your pull rate limit"
    )
    end = portal.wait_for_end(portal.deploy(cloud.app("hello"), target="ec2"), seconds=240)
    assert (end["status"], end["code"]) == ("failed", "pull_rate_limited"), end


def _status(url: str) -> int:
    try:
        return get(url)[0]
    except OSError:
        return 0
