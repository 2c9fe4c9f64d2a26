"""Rows follow what AWS and the machines say, and machines follow what people want."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from instances import fleet, fleet_ec2, fleet_hosts, machines, schedules
from instances.clouds.base import Machine
from instances.clouds.tags import tags_for
from instances.hosts.base import HostError, HostRefused, Result
from instances.models import Instance, Measurement
from instances.states import Kind, Status, Wanted
from portal.core.models import AuditEvent
from tests.fakes import FakeHost
from tests.fakes_cloud import UBUNTU, FakeMachines

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(hours=2)
ID = "i-0aaaaaaaaaaaaaaa1"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMachines]:
    fake = FakeMachines()
    monkeypatch.setattr(machines, "machines_in", lambda region: fake)
    monkeypatch.setattr(fleet_ec2, "machines_in", lambda region: fake)
    # One list serves all rows for two seconds; tests are faster than that.
    monkeypatch.setattr(fleet_ec2, "FRESH_SECONDS", 0.0)
    fleet_ec2.forget_lists()
    yield fake
    fleet_ec2.forget_lists()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    fake = FakeHost(answers={("true",): Result(0, "", "")})
    monkeypatch.setattr(fleet_hosts, "host_of", lambda instance: fake)
    monkeypatch.setattr(fleet_hosts, "read_facts", lambda host: {"docker": "24", "os_version": "22.04"})
    return fake


def row(cloud: FakeMachines | None = None, *, state: str = "running", **fields: Any) -> Instance:
    """An EC2 row whose machine the cloud has in this state."""
    defaults: dict[str, Any] = {
        "name": "trainer", "kind": Kind.EC2, "region": "us-east-1", "aws_id": ID, "status": Status.RUNNING,
        "due_at": timezone.now(), "launched_at": timezone.now() - LONG_AGO, "host_keys": ["ssh-ed25519 AAAA"],
        "public_ip": "203.0.113.5", "ssh_host": "203.0.113.5", "address": "203.0.113.5",
        "checked_at": timezone.now(), "seen_at": timezone.now(),
    }  # fmt: skip
    instance = Instance.objects.create(**(defaults | fields))
    if cloud is not None:
        cloud.put(
            Machine(
                ID, state, "t3.micro", UBUNTU, zone="us-east-1a", public_ip="203.0.113.5" if state == "running" else "",
                private_ip="172.31.0.5", launched_at=instance.launched_at,
                tags=tags_for("trainer", instance=str(instance.uuid)),
            )
        )  # fmt: skip
    return instance


def turn(instance: Instance) -> Instance:
    """One turn now, whenever it was due."""
    Instance.objects.filter(pk=instance.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    assert fleet.take_turn()
    return Instance.objects.get(pk=instance.pk)


def test_a_turn_is_taken_by_one_worker_and_comes_back(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud)
    turn(instance)
    assert not fleet.take_turn()
    instance.refresh_from_db()
    assert instance.due_at and instance.due_at > timezone.now()


def test_a_turn_asked_for_by_the_clock_of_the_database_is_taken(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud)
    Instance.objects.filter(pk=instance.pk).update(due_at=Now())
    assert fleet.take_turn()
    assert not fleet.take_turn()


def test_a_wish_made_during_a_turn_is_not_forgotten(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud)
    soon = timezone.now() - timedelta(seconds=1)

    def wish(argv: list[str], given: bytes) -> Result:
        Instance.objects.update(due_at=soon, wanted=Wanted.STOPPED)
        return Result(0, "", "")

    host.answers = {("true",): wish}
    assert turn(instance).due_at == soon


def test_a_stop_is_asked_for_and_believed_when_aws_says_so(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud, status=Status.STOPPING, wanted=Wanted.STOPPED)
    assert turn(instance).status == Status.STOPPING
    turn(instance)
    assert cloud.calls.count("stop") == 1
    cloud.tick()
    assert turn(instance).status == Status.STOPPED


def test_a_stop_that_aws_does_not_follow_is_repeated(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud, status=Status.STOPPING, wanted=Wanted.STOPPED)
    turn(instance)
    cloud.set_state(ID, "running")
    turn(instance)
    assert cloud.calls.count("stop") == 2


def test_a_started_machine_is_found_at_its_new_address(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud, state="stopped", status=Status.PENDING)
    assert turn(instance).status == Status.PENDING
    cloud.tick()
    healed = turn(instance)
    new = cloud.machines_by_id[ID].public_ip
    assert new != "203.0.113.5"
    assert (healed.status, healed.ssh_host, healed.address) == (Status.RUNNING, new, new)
    assert ["true"] in host.commands
    assert AuditEvent.objects.filter(action="instance.address_changed").exists()


def test_a_name_given_by_people_stays_when_the_address_changes(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud, state="stopped", status=Status.PENDING, address="apps.example.com")
    turn(instance)
    cloud.tick()
    assert turn(instance).address == "apps.example.com"


def test_another_key_at_the_new_address_is_said_and_not_believed(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud, state="stopped", status=Status.PENDING)
    host.answers = {("true",): HostRefused("ssh_host_key_changed", "The server shows another key.")}
    turn(instance)
    cloud.tick()
    seen = turn(instance)
    assert (seen.status, seen.trouble) == (Status.UNREACHABLE, "The server shows another key.")
    turn(instance)
    assert AuditEvent.objects.filter(action="instance.refused", allowed=False).count() == 1


def test_a_terminated_machine_gives_back_what_it_had(cloud: FakeMachines, host: FakeHost) -> None:
    address = cloud.allocate_address(tags_for("trainer"))
    instance = row(
        cloud,
        status=Status.TERMINATING,
        wanted=Wanted.TERMINATED,
        key_pair="portal-x",
        allocation_id=address.id,
    )
    cloud.import_key("portal-x", "ssh-ed25519 AAAA", tags_for("x"))
    group = cloud.ensure_group("g", network="vpc-1", rules=[], tags=tags_for("g"), description="")
    Instance.objects.update(group_id=group)
    assert turn(instance).status == Status.TERMINATING
    assert turn(instance).status == Status.TERMINATING
    assert cloud.calls.count("terminate") == 1
    assert cloud.pairs
    cloud.tick()
    gone = turn(instance)
    assert (gone.status, gone.trouble, gone.due_at) == (Status.TERMINATED, "", None)
    assert (cloud.pairs, cloud.groups_by_id, cloud.addresses_by_id) == ({}, {}, {})


def test_a_group_that_another_machine_uses_stays(cloud: FakeMachines, host: FakeHost) -> None:
    group = cloud.ensure_group("g", network="vpc-1", rules=[], tags=tags_for("g"), description="")
    instance = row(cloud, state="terminated", wanted=Wanted.TERMINATED, group_id=group)
    row(name="other", aws_id="i-2", group_id=group, due_at=None)
    assert turn(instance).status == Status.TERMINATED
    assert group in cloud.groups_by_id


def test_not_found_after_terminate_proves_nothing_for_an_hour(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud, status=Status.TERMINATING, wanted=Wanted.TERMINATED)
    turn(instance)
    cloud.hidden = {ID}
    assert turn(instance).status == Status.TERMINATING
    Instance.objects.update(seen_at=timezone.now() - timedelta(minutes=66))
    assert turn(instance).status == Status.TERMINATED


def test_a_machine_ended_by_somebody_else_is_said_at_the_next_turn(
    cloud: FakeMachines, host: FakeHost
) -> None:
    instance = row(cloud)
    cloud.set_state(ID, "terminated")
    seen = turn(instance)
    assert seen.status == Status.TERMINATED and "outside of the portal" in seen.trouble
    assert len(cloud.machines_by_id) == 1


def test_a_machine_that_aws_forgot_is_gone_only_after_a_second_look(
    cloud: FakeMachines, host: FakeHost
) -> None:
    instance = row(cloud)
    cloud.hidden = {ID}
    assert turn(instance).status == Status.RUNNING
    Instance.objects.update(seen_at=timezone.now() - timedelta(seconds=30))
    seen = turn(instance)
    assert seen.status == Status.TERMINATED and "outside of the portal" in seen.trouble


def test_not_found_right_after_the_launch_changes_nothing(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(
        cloud, status=Status.PENDING, launched_at=timezone.now(), seen_at=timezone.now() - LONG_AGO
    )
    cloud.hidden = {ID}
    assert turn(instance).status == Status.PENDING


def test_who_stops_a_machine_in_aws_is_not_overruled(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud)
    cloud.set_state(ID, "stopped")
    seen = turn(instance)
    assert (seen.status, seen.wanted) == (Status.STOPPED, Wanted.STOPPED)
    turn(instance)
    assert "start" not in cloud.calls


def test_who_starts_a_machine_in_aws_is_not_overruled(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud, state="running", status=Status.STOPPED, wanted=Wanted.STOPPED)
    seen = turn(instance)
    assert (seen.status, seen.wanted) == (Status.RUNNING, Wanted.RUNNING)
    assert "stop" not in cloud.calls


def test_an_old_list_does_not_stop_a_machine_that_has_just_started(
    cloud: FakeMachines, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = row(cloud, state="stopped")
    old = {ID: cloud.machines_by_id[ID]}
    cloud.set_state(ID, "running")
    monkeypatch.setattr(fleet_ec2, "_listed", lambda region: old)
    seen = turn(instance)
    assert (seen.status, seen.wanted) == (Status.RUNNING, Wanted.RUNNING)


def test_without_our_tag_nothing_is_done_to_a_machine(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(wanted=Wanted.TERMINATED, status=Status.TERMINATING)
    cloud.put(Machine(ID, "running", "t3.micro", UBUNTU, public_ip="203.0.113.5", tags={"Name": "theirs"}))
    seen = turn(instance)
    assert cloud.machines_by_id[ID].state == "running"
    assert "tag" in seen.trouble


def test_throttles_and_silences_of_aws_change_no_state(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(cloud)
    cloud.fail("machines", "aws_throttled", times=20, again=True)
    for _ in range(20):
        seen = turn(instance)
        assert (seen.status, seen.trouble) == (Status.RUNNING, "")
        assert seen.due_at and seen.due_at > timezone.now()
    assert turn(instance).aws_state == "running"


def test_a_row_without_a_machine_gets_one_when_its_turn_comes(cloud: FakeMachines, host: FakeHost) -> None:
    instance = row(aws_id="", status=Status.PENDING, launched_at=None, host_keys=[], instance_type="t3.micro")
    for _ in range(8):
        turn(instance)
        cloud.tick()
    instance.refresh_from_db()
    assert instance.status == Status.RUNNING and instance.aws_id in cloud.machines_by_id


def test_a_refused_launch_is_said_in_the_row(cloud: FakeMachines, host: FakeHost) -> None:
    cloud.fail("run", "aws_quota", detail="VcpuLimitExceeded")
    instance = row(aws_id="", status=Status.PENDING, launched_at=None, instance_type="t3.micro")
    for _ in range(3):
        seen = turn(instance)
    assert seen.trouble == "VcpuLimitExceeded"


def test_a_launch_that_was_called_off_leaves_no_machine(cloud: FakeMachines, host: FakeHost) -> None:
    cloud.lost_answers = {"run"}
    instance = row(aws_id="", status=Status.PENDING, launched_at=None, instance_type="t3.micro")
    while not cloud.machines_by_id:
        turn(instance)
    Instance.objects.update(wanted=Wanted.TERMINATED, status=Status.TERMINATING)
    for _ in range(4):
        seen = turn(instance)
        cloud.tick()
    assert seen.status == Status.TERMINATED
    assert [machine.state for machine in cloud.machines_by_id.values()] == ["terminated"]


def server(**fields: Any) -> Instance:
    defaults: dict[str, Any] = {
        "name": "box", "kind": Kind.SERVER, "status": Status.RUNNING, "ssh_host": "10.0.0.5",
        "host_keys": ["ssh-ed25519 AAAA"], "due_at": timezone.now(), "checked_at": timezone.now(),
    }  # fmt: skip
    return Instance.objects.create(**(defaults | fields))


def test_one_silence_is_no_failure_and_three_are(host: FakeHost) -> None:
    instance = server()
    host.answers = {("true",): HostError("no route")}
    assert turn(instance).status == Status.RUNNING
    Instance.objects.update(unreachable_since=timezone.now() - timedelta(seconds=10))
    assert turn(instance).status == Status.RUNNING
    Instance.objects.update(unreachable_since=timezone.now() - timedelta(seconds=21))
    seen = turn(instance)
    assert seen.status == Status.UNREACHABLE and "no route" in seen.trouble


def test_three_silences_fit_into_a_minute() -> None:
    misses = 0.0
    while misses < fleet_hosts.UNREACHABLE_AFTER.total_seconds():
        misses += fleet_hosts.MISSED_SECONDS
    assert 20 + misses + fleet_hosts.CALL_SECONDS <= 60


def test_a_machine_that_answers_again_is_running(host: FakeHost) -> None:
    instance = server(status=Status.UNREACHABLE, unreachable_since=timezone.now(), trouble="silent")
    seen = turn(instance)
    assert (seen.status, seen.trouble, seen.unreachable_since) == (Status.RUNNING, "", None)


def test_nothing_is_sent_to_a_server_before_its_key_is_confirmed(host: FakeHost) -> None:
    seen = turn(server(host_keys=[], status=Status.PENDING))
    assert (host.commands, seen.due_at) == ([], None)


def test_a_changed_docker_is_worth_a_line(host: FakeHost) -> None:
    instance = server(facts={"docker": "20"}, checked_at=timezone.now() - timedelta(hours=2))
    assert turn(instance).facts["docker"] == "24"
    assert AuditEvent.objects.filter(action="instance.facts_changed").exists()


def test_a_measurement_is_taken_once_a_minute(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    from instances.hosts.metrics import Measured

    monkeypatch.setattr(fleet_hosts, "measure", lambda host: Measured(1.0, 2, 3, 4, 5, 6, 7, 8))
    instance = server()
    turn(instance)
    turn(instance)
    assert Measurement.objects.get().containers == 8


AT_EIGHT = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("since", "now", "wish"),
    [
        (AT_EIGHT - timedelta(hours=2), AT_EIGHT, Wanted.STOPPED),
        (AT_EIGHT, AT_EIGHT + timedelta(hours=2), None),
        (AT_EIGHT, AT_EIGHT + timedelta(hours=12), Wanted.RUNNING),
        # On Saturday nothing happens, whatever the hour.
        (AT_EIGHT + timedelta(days=4, hours=5), AT_EIGHT + timedelta(days=5, hours=2), None),
        # Nobody looked for days: the latest hour counts.
        (AT_EIGHT - timedelta(days=3), AT_EIGHT, Wanted.STOPPED),
    ],
)
def test_the_latest_hour_of_a_schedule_counts(since: datetime, now: datetime, wish: str | None) -> None:
    instance = Instance(kind=Kind.EC2, stop_at=time(19), start_at=time(7), schedule_days="0,1,2,3,4")
    assert schedules.latest_wish(instance, since, now) == wish


def test_a_schedule_stops_once_and_people_may_start_again(cloud: FakeMachines) -> None:
    instance = row(cloud, stop_at=time(19), scheduled_until=AT_EIGHT - timedelta(hours=2))
    schedules.apply(instance, AT_EIGHT)
    instance.refresh_from_db()
    assert instance.wanted == Wanted.STOPPED
    Instance.objects.update(wanted=Wanted.RUNNING)
    instance.refresh_from_db()
    schedules.apply(instance, AT_EIGHT + timedelta(minutes=5))
    instance.refresh_from_db()
    assert instance.wanted == Wanted.RUNNING
