"""One machine per row: whatever is lost, repeated, refused or done twice at once."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from instances import launching, machines
from instances.clouds import of
from instances.clouds.base import CloudError, Group, KeyPair, Machine, Rule
from instances.hosts import keys
from instances.models import Instance, PortReservation
from instances.states import Kind, Status, Wanted
from portal.core.models import AuditEvent
from tests.fakes_cloud import UBUNTU, FakeMachines

pytestmark = pytest.mark.django_db


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMachines]:
    fake = FakeMachines()
    monkeypatch.setattr(machines, "machines_in", lambda region: fake)
    yield fake
    of.machines_in.cache_clear()


def row(**fields: Any) -> Instance:
    defaults: dict[str, Any] = {
        "name": "trainer", "kind": Kind.EC2, "region": "us-east-1", "instance_type": "t3.micro",
    }  # fmt: skip
    return Instance.objects.create(**(defaults | fields))


def bring_up(instance: Instance, cloud: FakeMachines, turns: int = 12) -> Machine:
    """Call until it runs, as the pipeline does: what may help again is called again."""
    for _ in range(turns):
        try:
            machine = machines.ensure_machine(instance, warm=["python:3.11-slim"])
        except CloudError as error:
            if not error.again:
                raise
            machine = None
        if machine:
            return machine
        cloud.tick()
    raise AssertionError(f"not running after {turns} turns: {cloud.calls}")


def test_a_machine_comes_with_everything_it_needs(cloud: FakeMachines) -> None:
    instance = row()
    machine = bring_up(instance, cloud)
    instance.refresh_from_db()
    assert (instance.aws_id, instance.status, instance.ssh_user) == (machine.id, Status.RUNNING, "ubuntu")
    assert instance.ssh_host == instance.address == machine.public_ip
    assert instance.zone == "us-east-1a" and instance.image_id == UBUNTU
    assert cloud.pairs[instance.key_pair].public_key == instance.public_key
    assert machine.tags["portal:instance"] == str(instance.uuid)
    assert instance.due_at is not None


def test_the_request_stands_in_the_row_before_aws_is_asked(cloud: FakeMachines) -> None:
    instance = row()
    cloud.fail("run", "aws_unreachable", again=True)
    for _ in range(3):
        try:
            machines.ensure_machine(instance)
        except CloudError:
            break
    instance.refresh_from_db()
    assert len(instance.client_token) == 64
    assert launching.Launch.of(instance).request["InstanceType"] == "t3.micro"
    assert instance.host_keys[0].startswith("ssh-ed25519 ")
    assert "PRIVATE KEY" not in instance.launch_sealed


def test_the_injected_host_key_is_the_pinned_one(cloud: FakeMachines) -> None:
    instance = row()
    bring_up(instance, cloud)
    instance.refresh_from_db()
    user_data = cloud.requests[0][1]["UserData"]
    assert instance.host_keys[0] in user_data
    assert instance.public_key in user_data
    assert instance.private_key.reveal() not in user_data


def test_metadata_needs_a_token_and_the_disk_is_encrypted(cloud: FakeMachines) -> None:
    bring_up(row(volume_gb=33), cloud)
    request = cloud.requests[0][1]
    assert request["MetadataOptions"]["HttpTokens"] == "required"
    assert request["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    disk = request["BlockDeviceMappings"][0]["Ebs"]
    assert (disk["Encrypted"], disk["VolumeType"], disk["VolumeSize"]) == (True, "gp3", 33)
    tagged = {spec["ResourceType"] for spec in request["TagSpecifications"]}
    assert tagged == {"instance", "volume", "network-interface"}


def test_a_lost_answer_makes_no_second_machine(cloud: FakeMachines) -> None:
    cloud.lost_answers = {"run"}
    instance = row()
    bring_up(instance, cloud)
    assert len(cloud.machines_by_id) == 1


def test_a_machine_that_does_not_show_yet_is_found_by_its_token(
    cloud: FakeMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.lost_answers = {"run"}
    monkeypatch.setattr(cloud, "find_tagged", lambda instance: None)
    bring_up(row(), cloud)
    assert len(cloud.machines_by_id) == 1
    first, second = cloud.requests
    assert first == second


def test_not_found_after_the_launch_is_waited_out(cloud: FakeMachines) -> None:
    instance = row()
    while not cloud.machines_by_id:
        machines.ensure_machine(instance)
    cloud.hidden = set(cloud.machines_by_id)
    assert machines.ensure_machine(instance) is None
    cloud.hidden = set()
    assert bring_up(instance, cloud)
    assert len(cloud.machines_by_id) == 1


def test_a_machine_that_is_gone_after_long_is_no_reason_for_another(cloud: FakeMachines) -> None:
    instance = row()
    bring_up(instance, cloud)
    cloud.hidden = set(cloud.machines_by_id)
    Instance.objects.update(launched_at=timezone.now() - timedelta(minutes=6))
    with pytest.raises(CloudError) as caught:
        machines.ensure_machine(instance)
    assert caught.value.code == "aws_not_found"
    assert len(cloud.machines_by_id) == 1


def test_a_full_zone_is_followed_by_the_next_with_a_token_of_its_own(cloud: FakeMachines) -> None:
    cloud.full_subnets = {"subnet-a", "subnet-b"}
    instance = row()
    assert bring_up(instance, cloud).zone == "us-east-1c"
    assert len({token for token, _ in cloud.requests}) == 3


def test_the_wanted_zone_comes_first(cloud: FakeMachines) -> None:
    assert bring_up(row(zone="us-east-1b"), cloud).zone == "us-east-1b"


def test_no_zone_with_room_says_which_were_tried_and_leaves_nothing(cloud: FakeMachines) -> None:
    cloud.full_subnets = {"subnet-a", "subnet-b", "subnet-c"}
    instance = row()
    with pytest.raises(CloudError) as caught:
        bring_up(instance, cloud)
    assert caught.value.code == "aws_no_capacity"
    assert "us-east-1a, us-east-1b, us-east-1c" in caught.value.detail
    assert cloud.machines_by_id == {}
    cloud.full_subnets = set()
    assert bring_up(instance, cloud).zone == "us-east-1a"


def test_a_chosen_subnet_is_not_replaced_by_another(cloud: FakeMachines) -> None:
    cloud.full_subnets = {"subnet-b"}
    with pytest.raises(CloudError, match="us-east-1b"):
        bring_up(row(subnet="subnet-b"), cloud)
    assert cloud.machines_by_id == {}


def test_twenty_throttles_slow_down_and_succeed(cloud: FakeMachines) -> None:
    for method, times in (("run", 8), ("ensure_group", 6), ("find", 6)):
        cloud.fail(method, "aws_throttled", times=times, again=True)
    bring_up(row(), cloud, turns=40)
    assert len(cloud.machines_by_id) == 1


@pytest.mark.parametrize("code", ["aws_quota", "aws_unauthorized", "aws_type_not_found", "aws_credentials"])
def test_a_refusal_leaves_nothing_and_the_next_attempt_is_planned_anew(
    cloud: FakeMachines, code: str
) -> None:
    cloud.fail("run", code)
    instance = row()
    with pytest.raises(CloudError) as caught:
        bring_up(instance, cloud)
    assert caught.value.code == code
    Instance.objects.update(instance_type="t3.small")
    assert bring_up(instance, cloud).type == "t3.small"
    assert len({token for token, _ in cloud.requests}) == 2
    assert len(cloud.machines_by_id) == 1


def test_a_wrong_image_is_answered_with_the_right_one(cloud: FakeMachines) -> None:
    with pytest.raises(CloudError, match=UBUNTU) as caught:
        bring_up(row(image_id="ami-0123456789abcdef0"), cloud)
    assert caught.value.code == "aws_image_not_found"


def test_a_machine_that_ends_at_once_is_said_with_the_reason_of_aws(cloud: FakeMachines) -> None:
    instance = row()
    while not cloud.machines_by_id:
        machines.ensure_machine(instance)
    (id,) = cloud.machines_by_id
    cloud.set_state(id, "terminated")
    with pytest.raises(CloudError, match="has ended"):
        machines.ensure_machine(instance)


def test_what_is_to_be_terminated_is_not_launched(cloud: FakeMachines) -> None:
    with pytest.raises(CloudError, match="terminated"):
        machines.ensure_machine(row(wanted=Wanted.TERMINATED))
    assert "run" not in cloud.calls


def test_an_elastic_address_is_allocated_once_and_becomes_the_address(cloud: FakeMachines) -> None:
    instance = row(elastic=True)
    bring_up(instance, cloud)
    instance.refresh_from_db()
    (address,) = cloud.addresses_by_id.values()
    assert instance.allocation_id == address.id
    assert instance.address == instance.public_ip == address.ip
    assert cloud.calls.count("allocate_address") == 1


def test_a_key_pair_of_that_name_with_another_key_is_refused(cloud: FakeMachines) -> None:
    instance = row()
    name = f"portal-{instance.uuid.hex[:12]}"
    cloud.pairs[name] = KeyPair(name, "", keys.make().public, {})
    with pytest.raises(CloudError) as caught:
        machines.ensure_key_pair(instance)
    assert caught.value.code == "aws_key_pair_mismatch"


def test_a_key_pair_of_ones_own_has_to_be_there(cloud: FakeMachines, settings: Any) -> None:
    settings.AWS_KEY_PAIR_NAME = "ops"
    with pytest.raises(CloudError) as caught:
        machines.ensure_key_pair(row())
    assert caught.value.code == "aws_key_pair_not_found"


def test_a_key_pair_of_ones_own_has_to_be_the_key_of_the_file(
    cloud: FakeMachines, settings: Any, tmp_path: Any
) -> None:
    own, other = keys.make(), keys.make()
    settings.AWS_KEY_PAIR_NAME, settings.AWS_KEY_FILE = "ops", str(tmp_path / "ops.pem")
    (tmp_path / "ops.pem").write_text(own.private.reveal())
    cloud.pairs["ops"] = KeyPair("ops", "", other.public, {})
    instance = row()
    with pytest.raises(CloudError) as caught:
        machines.ensure_key_pair(instance)
    assert caught.value.code == "aws_key_pair_mismatch"
    cloud.pairs["ops"] = KeyPair("ops", "", own.public, {})
    assert machines.ensure_key_pair(instance) == "ops"
    assert "import_key" not in cloud.calls


def test_a_changed_range_for_ssh_closes_the_old_one(cloud: FakeMachines, settings: Any) -> None:
    instance = row()
    settings.ALLOWED_SSH_IP = "10.0.0.0/8"
    group = machines.ensure_group(instance, [])
    settings.ALLOWED_SSH_IP = "10.1.0.0/16"
    assert machines.ensure_group(instance, [8001]) == group
    rules = cloud.groups_by_id[group].rules
    assert {rule for rule in rules if rule.port == 22} == {Rule(22, "10.1.0.0/16")}
    assert {rule.port for rule in rules} == {22, 80, 443, 8001}


def test_one_machine_does_not_close_the_port_of_another(cloud: FakeMachines) -> None:
    first, second = row(), row(name="other")
    PortReservation.objects.create(instance=first, number=8005, holder=first.uuid)
    group = machines.ensure_group(second, [8001])
    assert {8001, 8005} < {rule.port for rule in cloud.groups_by_id[group].rules}


def test_a_group_of_that_name_that_is_not_ours_is_refused(cloud: FakeMachines) -> None:
    cloud.groups_by_id["sg-9"] = Group("sg-9", machines.group_name(), "vpc-1", {})
    with pytest.raises(CloudError) as caught:
        machines.ensure_group(row(), [])
    assert caught.value.code == "aws_group_not_ours"
    assert cloud.groups_by_id["sg-9"].rules == frozenset()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_one_machine(cloud: FakeMachines) -> None:
    instance = row()
    start = threading.Barrier(2)
    problems: list[BaseException] = []

    def work() -> None:
        try:
            own = Instance.objects.get(pk=instance.pk)
            start.wait(timeout=10)
            bring_up(own, cloud, turns=30)
        except BaseException as error:
            problems.append(error)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert problems == []
    assert len(cloud.machines_by_id) == 1
    assert AuditEvent.objects.filter(action="instance.launched").count() == 1
    assert connection.is_usable()
