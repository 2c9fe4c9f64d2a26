"""What is on one side only is found, taken up or listed, and deleted only when asked; the rest is left alone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from instances import fleet_ec2, machines, sweep
from instances.clouds.base import Address, Group, KeyPair, Machine
from instances.clouds.tags import tags_for
from instances.models import Instance, Measurement, Orphan
from instances.states import Kind, OrphanKind, Status, Wanted
from tests import factories
from tests.fakes_cloud import UBUNTU, FakeMachines

pytestmark = pytest.mark.django_db


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMachines]:
    fake = FakeMachines()
    for module in (machines, fleet_ec2, sweep):
        monkeypatch.setattr(module, "machines_in", lambda region: fake)
    monkeypatch.setattr(sweep, "regions", lambda: ["us-east-1"])
    fleet_ec2.forget_lists()
    yield fake
    fleet_ec2.forget_lists()


def row(**fields: Any) -> Instance:
    defaults: dict[str, Any] = {"name": "trainer", "kind": Kind.EC2, "region": "us-east-1"}
    return Instance.objects.create(**(defaults | fields))


def machine(id: str = "i-1", *, tags: Any = None, **fields: Any) -> Machine:
    given = tags_for("left-over") if tags is None else tags
    made = Machine(
        id, "running", "t3.micro", UBUNTU, zone="us-east-1a", tags=given, launched_at=timezone.now()
    )
    return replace(made, **fields)


def test_a_crash_between_launch_and_record_is_linked_to_its_row(cloud: FakeMachines) -> None:
    instance = row()
    cloud.put(machine(tags=tags_for("trainer", instance=str(instance.uuid))))
    assert sweep.sweep() == 0
    instance.refresh_from_db()
    assert instance.aws_id == "i-1" and instance.due_at is not None
    assert Orphan.objects.count() == 0


def test_two_hundred_crashes_are_two_hundred_machines_found(cloud: FakeMachines) -> None:
    rows = [row(name=f"trainer-{number}") for number in range(200)]
    for number, instance in enumerate(rows):
        cloud.put(machine(f"i-{number}", tags=tags_for("x", instance=str(instance.uuid))))
    sweep.sweep()
    assert Instance.objects.exclude(aws_id="").count() == 200


def test_a_machine_without_a_row_is_listed_with_its_price(cloud: FakeMachines) -> None:
    cloud.put(machine())
    sweep.sweep()
    orphan = Orphan.objects.get()
    assert (orphan.kind, orphan.identifier, orphan.name) == (OrphanKind.MACHINE, "i-1", "left-over")
    assert orphan.details["hourly_usd"] == "0.0104" and orphan.made_at is not None


def test_the_second_machine_of_a_row_is_listed(cloud: FakeMachines) -> None:
    instance = row(aws_id="i-1", status=Status.RUNNING)
    tags = tags_for("trainer", instance=str(instance.uuid))
    cloud.put(machine("i-1", tags=tags))
    cloud.put(machine("i-2", tags=tags))
    sweep.sweep()
    assert Orphan.objects.get().identifier == "i-2"


def test_what_has_ended_is_no_orphan(cloud: FakeMachines) -> None:
    cloud.put(machine(state="terminated"))
    assert sweep.sweep() == 0


def test_a_machine_called_off_while_it_was_made_is_ended(cloud: FakeMachines) -> None:
    instance = row(status=Status.TERMINATED, wanted=Wanted.TERMINATED)
    cloud.put(machine(tags=tags_for("trainer", instance=str(instance.uuid))))
    sweep.sweep()
    instance.refresh_from_db()
    fleet_ec2.look(instance)
    assert cloud.machines_by_id["i-1"].state == "shutting-down"


def test_foreign_things_with_similar_names_are_never_touched(cloud: FakeMachines) -> None:
    other = {"Name": "portal-sg", "ManagedBy": "portal", "portal:installation": "another"}
    for number, tags in enumerate(({}, {"Name": "trainer"}, other)):
        cloud.put(machine(f"i-{number}", tags=tags))
        cloud.groups_by_id[f"sg-{number}"] = Group(f"sg-{number}", "portal-sg", "vpc-1", tags)
        cloud.pairs[f"portal-{number}"] = KeyPair(f"portal-{number}", "", "ssh-ed25519 AAAA", tags)
        cloud.addresses_by_id[f"e-{number}"] = Address(f"e-{number}", "198.51.100.1", "", tags)
    user = factories.portal_admin()
    for kind, name in (
        (OrphanKind.MACHINE, "i-2"),
        (OrphanKind.GROUP, "sg-2"),
        (OrphanKind.KEY_PAIR, "portal-2"),
    ):
        Orphan.objects.create(
            kind=kind, region="us-east-1", identifier=name, seen_at=timezone.now(), delete_asked_by=user
        )
    assert sweep.sweep() == 0
    assert [one.state for one in cloud.machines_by_id.values()] == ["running"] * 3
    assert (len(cloud.groups_by_id), len(cloud.pairs), len(cloud.addresses_by_id)) == (3, 3, 3)
    assert Orphan.objects.count() == 0


def test_groups_key_pairs_and_addresses_that_nobody_uses_are_listed(cloud: FakeMachines) -> None:
    ours = tags_for("x")
    cloud.groups_by_id["sg-1"] = Group("sg-1", "old", "vpc-1", ours)
    cloud.pairs["portal-1"] = KeyPair("portal-1", "", "ssh-ed25519 AAAA", ours)
    cloud.addresses_by_id["e-1"] = Address("e-1", "198.51.100.1", "", ours)
    sweep.sweep()
    kinds = set(Orphan.objects.values_list("kind", flat=True))
    assert kinds == {OrphanKind.GROUP, OrphanKind.KEY_PAIR, OrphanKind.ADDRESS}


def test_what_a_row_uses_is_not_listed(cloud: FakeMachines) -> None:
    instance = row(aws_id="i-1", group_id="sg-1", elastic=True, status=Status.RUNNING)
    tags = tags_for("trainer", instance=str(instance.uuid))
    cloud.put(machine(tags=tags))
    cloud.groups_by_id["sg-1"] = Group("sg-1", "group", "vpc-1", tags_for("group"))
    cloud.pairs["portal-1"] = KeyPair("portal-1", "", "ssh-ed25519 AAAA", tags)
    cloud.addresses_by_id["e-1"] = Address("e-1", "198.51.100.1", "i-1", tags)
    assert sweep.sweep() == 0


def test_a_row_whose_machine_aws_does_not_know_is_listed(cloud: FakeMachines) -> None:
    row(aws_id="i-9", status=Status.STOPPED, launched_at=timezone.now() - timedelta(hours=1))
    sweep.sweep()
    assert Orphan.objects.get().kind == OrphanKind.ROW


def test_what_is_gone_is_no_longer_listed(cloud: FakeMachines) -> None:
    cloud.put(machine())
    sweep.sweep()
    cloud.set_state("i-1", "terminated")
    sweep.sweep()
    assert Orphan.objects.count() == 0


def test_a_region_that_does_not_answer_keeps_its_list(cloud: FakeMachines) -> None:
    cloud.put(machine())
    sweep.sweep()
    cloud.fail("machines", "aws_unreachable", again=True)
    sweep.sweep()
    assert Orphan.objects.count() == 1


def test_what_people_gave_up_is_deleted_and_recorded(cloud: FakeMachines) -> None:
    cloud.put(machine())
    cloud.groups_by_id["sg-1"] = Group("sg-1", "old", "vpc-1", tags_for("x"))
    sweep.sweep()
    Orphan.objects.update(delete_asked_by=factories.portal_admin())
    sweep.sweep()
    assert cloud.machines_by_id["i-1"].state == "shutting-down"
    assert cloud.groups_by_id == {}
    assert Orphan.objects.count() == 0


def test_what_cannot_be_deleted_says_why_and_stays(cloud: FakeMachines) -> None:
    cloud.groups_by_id["sg-1"] = Group("sg-1", "old", "vpc-1", tags_for("x"))
    sweep.sweep()
    Orphan.objects.update(delete_asked_by=factories.portal_admin())
    cloud.fail("delete_group", "aws_unauthorized", detail="not allowed")
    sweep.sweep()
    assert Orphan.objects.get().details["trouble"] == "not allowed"


def test_machines_without_a_next_turn_get_one(cloud: FakeMachines) -> None:
    forgotten = row(aws_id="i-1", status=Status.RUNNING)
    planned = row(name="planned")
    cloud.put(machine(tags=tags_for("x", instance=str(forgotten.uuid))))
    sweep.sweep()
    forgotten.refresh_from_db()
    planned.refresh_from_db()
    assert forgotten.due_at is not None
    assert planned.due_at is None


def test_old_measurements_are_forgotten(cloud: FakeMachines, settings: Any) -> None:
    instance = row()
    amounts = dict.fromkeys(
        ("memory_used", "memory_total", "disk_used", "disk_total", "network_in", "network_out", "containers"),
        1,
    )
    for days in (1, 29, 31):
        at = timezone.now() - timedelta(days=days)
        Measurement.objects.create(instance=instance, at=at, cpu_percent=1.0, **amounts)
    sweep.sweep()
    assert Measurement.objects.count() == 2


def test_the_next_sweep_is_due_after_its_time(cloud: FakeMachines, settings: Any) -> None:
    assert sweep.is_due()
    sweep.sweep()
    assert not sweep.is_due()
    settings.SWEEP_SECONDS = 0
    assert sweep.is_due()
