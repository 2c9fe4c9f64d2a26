"""Kill -9 of the worker at four points of each of the twelve steps on EC2: it ends as an undisturbed run does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.pipeline.kill_points import POINTS
from tests.e2e.cloud import Cloud, get
from tests.e2e.portal_process import Portal, wait_until
from tests.e2e.test_kill_points import KEYS

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cloudbox,
    pytest.mark.timeout(900),
]

# From here on a machine that is there already serves as well as a new one.
ON_A_KEPT_MACHINE = KEYS[KEYS.index("clone") :]


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Iterator[Portal]:
    portal = cloud.portal(
        tmp_path_factory.mktemp("portal"), PORTAL_INSTALLATION=cloud.named("killed"), PORTAL_LEASE_SECONDS="1"
    )
    yield portal
    portal.close()
    cloud.end_machines(cloud.named("killed"))


def test_the_plan_has_twelve_steps_of_four_points(portal: Portal) -> None:
    plan = portal.run("from deployments.pipeline import plans; answer = [spec.key for spec in plans.EC2]")
    assert plan == KEYS
    assert len(KEYS) * len(POINTS) == 48


@pytest.mark.parametrize("key", KEYS)
def test_a_worker_killed_at_every_point_of_a_step_loses_nothing(
    portal: Portal, cloud: Cloud, key: str, tmp_path: Path
) -> None:
    name = "kept" if key in ON_A_KEPT_MACHINE else f"new-{key.replace('_', '-')}"
    uuid = portal.deploy(
        cloud.app("hello"), name=name, target="" if _is_there(portal, name) else "ec2",
        options={"no_cache": True} if key == "build" else {},
    )  # fmt: skip
    for point in POINTS:
        marker = tmp_path / point
        victim = portal.start_worker(PORTAL_KILL_AT=f"{key}:{point}:{marker}")
        assert victim.wait(timeout=180) == -9, point
        assert marker.exists()
    survivor = portal.start_worker()
    try:
        end = portal.wait_for_end(uuid, seconds=180)
        assert (end["status"], end["code"]) == ("succeeded", ""), end
        assert {step[1] for step in end["steps"]} <= {"succeeded", "skipped"}
        assert end["numbers"] == list(range(1, end["count"] + 1))
        assert get(end["url"])[0] == 200
        _check_nothing_is_doubled(portal, cloud, name, end["container"])
    finally:
        survivor.kill()
        survivor.wait(timeout=10)
        if name != "kept":
            _end(portal, name)


def _is_there(portal: Portal, name: str) -> bool:
    there: bool = portal.run(
        f"from deployments.models import Application; answer = Application.objects.filter(name={name!r}).exists()"
    )
    return there


def _check_nothing_is_doubled(portal: Portal, cloud: Cloud, name: str, container: str) -> None:
    """One machine, one group, one container that runs, nothing that nobody knows."""
    tagged = [
        machine
        for machine in cloud.machines(cloud.named("killed"))
        if machine["InstanceId"] == _instance(portal, name)["aws_id"]
    ]
    rows = portal.run(
        "from instances.models import Instance; answer = Instance.objects.filter(kind='ec2', status='running').count()"
    )
    assert len(tagged) == 1
    assert len(cloud.machines(cloud.named("killed"))) == rows
    groups = cloud.ec2().describe_security_groups(
        Filters=[{"Name": "tag:portal:installation", "Values": [cloud.named("killed")]}]
    )["SecurityGroups"]
    assert len(groups) == 1
    found = wait_until(lambda: _containers(portal, name), lambda found: len(found) == 1, seconds=40)
    assert found == [[container, True]]
    assert (
        portal.run(
            "from instances.sweep import sweep; sweep(); from instances.models import Orphan; answer = Orphan.objects.count()"
        )
        == 0
    )


def _instance(portal: Portal, name: str) -> dict[str, str]:
    found: dict[str, str] = portal.run(
        f"""
        from deployments.models import Environment
        instance = Environment.objects.get(application__name={name!r}).instance
        answer = dict(name=instance.name, aws_id=instance.aws_id)
        """
    )
    return found


def _containers(portal: Portal, name: str) -> list[list[object]]:
    found: list[list[object]] = portal.run(
        f"""
        from deployments.models import Environment
        from deployments.pipeline.places import place_of
        environment = Environment.objects.select_related("instance").get(application__name={name!r})
        runtime = place_of(environment.instance).runtimes["docker"]
        answer = [[c.name, c.running] for c in runtime.containers({{"portal.environment": str(environment.uuid)}})]
        """
    )
    return found


def _end(portal: Portal, name: str) -> None:
    """The machine is not needed any more; twelve at once are too many."""
    portal.run(
        f"""
        import time
        from deployments.models import Application, Environment
        from django.utils import timezone
        from instances import fleet, wishes
        from instances.models import Instance
        instance = Environment.objects.get(application__name={name!r}).instance
        Environment.objects.filter(application__name={name!r}).update(next_check_at=None)
        Application.objects.filter(name={name!r}).update(deleted_at=timezone.now())
        wishes.want(instance, "terminated")
        until = time.monotonic() + 60
        while time.monotonic() < until and Instance.objects.get(pk=instance.pk).status != "terminated":
            fleet.take_turn()
            time.sleep(0.2)
        """
    )
