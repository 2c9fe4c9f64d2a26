"""What every cloud promises: run against the fake, against moto, and against machines that are real."""

import itertools
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from instances.clouds.base import CloudError, Machine, Machines, Rule
from instances.clouds.requests import run_request
from instances.clouds.tags import tags_for
from instances.hosts import keys
from tests.fakes_cloud import FakeMachines

RUN = secrets.token_hex(3)
_numbers = itertools.count(1)


@dataclass
class Region:
    """A cloud under test, and everything that has to be taken away after a test."""

    cloud: Machines
    parameter: str
    # Whether the same token means the same machine; moto does not know tokens.
    knows_tokens: bool = True
    made: list[str] = field(default_factory=list)
    pairs: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def name(self) -> str:
        return f"contract-{RUN}-{next(_numbers)}"

    def group(self, *rules: Rule, name: str = "") -> str:
        """A group in the default network."""
        network = self.cloud.networks()[0].id
        name = name or self.name()
        id = self.cloud.ensure_group(
            name, network=network, rules=rules, tags=tags_for(name), description="contract"
        )
        self.groups.append(id)
        return id

    def pair(self) -> str:
        name = self.name()
        self.cloud.import_key(name, keys.make().public, tags_for(name))
        self.pairs.append(name)
        return name

    def request(self, *, tags: Any = None, instance: str = "") -> dict[str, Any]:
        name = self.name()
        return run_request(
            image=self.cloud.check_image(self.cloud.resolve_image(self.parameter)),
            instance_type="t3.micro",
            subnet=self.cloud.subnets()[0].id,
            group=self.group(),
            key_pair=self.pair(),
            user_data="#cloud-config\n{}\n",
            volume_gb=20,
            tags=tags_for(name, instance=instance) if tags is None else tags,
        )

    def run(self, **given: Any) -> Machine:
        machine = self.cloud.run(self.request(**given), secrets.token_hex(32))
        self.made.append(machine.id)
        return machine

    def settle(self, id: str, state: str) -> Machine:
        """Wait until the machine is in this state."""
        until = time.monotonic() + 90
        while time.monotonic() < until:
            machine = self.cloud.find(id)
            if machine and machine.state == state:
                return machine
            if isinstance(self.cloud, FakeMachines):
                self.cloud.tick()
            else:
                time.sleep(0.3)
        raise AssertionError(f"{id} is {machine.state if machine else 'unknown'}, not {state}")

    def clean_up(self) -> None:
        for id in self.made:
            machine = self.cloud.find(id)
            if machine and machine.live and machine.tags.get("portal:installation"):
                self.cloud.terminate(id)
        for id in self.made:
            if (machine := self.cloud.find(id)) and machine.state == "shutting-down":
                self.settle(id, "terminated")
        for id in self.addresses:
            self.cloud.release(id)
        for name in self.pairs:
            self.cloud.delete_key_pair(name)
        for id in self.groups:
            self.cloud.delete_group(id)


class MachinesContract:
    """Give it a fixture `region`."""

    @pytest.fixture(autouse=True)
    def _clean(self, region: Region) -> Iterator[None]:
        yield
        region.clean_up()

    def test_a_public_parameter_names_an_image_that_is_there(self, region: Region) -> None:
        id = region.cloud.resolve_image(region.parameter)
        image = region.cloud.check_image(id)
        assert (image.id, image.architecture) == (id, "x86_64")
        assert image.root_device.startswith("/dev/")
        assert image.user in ("ubuntu", "ec2-user")

    def test_an_image_that_is_not_there_is_called_so(self, region: Region) -> None:
        with pytest.raises(CloudError) as caught:
            region.cloud.check_image("ami-0aaaaaaaaaaaaaaaa")
        assert (caught.value.code, caught.value.again) == ("aws_image_not_found", False)

    def test_the_default_network_has_a_subnet_per_zone(self, region: Region) -> None:
        network = region.cloud.networks()[0]
        subnets = region.cloud.subnets(network.id)
        assert network.default and subnets
        zones = [subnet.zone for subnet in subnets if subnet.default]
        assert zones == sorted(set(zones)) and zones[0].startswith(region.cloud.region)

    def test_bringing_a_key_twice_is_bringing_it_once(self, region: Region) -> None:
        pair, name = keys.make(), region.name()
        region.pairs.append(name)
        region.cloud.import_key(name, pair.public, tags_for(name))
        region.cloud.import_key(name, pair.public, tags_for(name))
        assert [one.name for one in region.cloud.key_pairs() if one.name == name] == [name]

    def test_another_key_of_the_same_name_is_refused(self, region: Region) -> None:
        name = region.pair()
        with pytest.raises(CloudError) as caught:
            region.cloud.import_key(name, keys.make().public, tags_for(name))
        assert caught.value.code == "aws_key_pair_mismatch"

    def test_a_key_pair_of_others_is_not_deleted(self, region: Region) -> None:
        name = region.name()
        region.cloud.import_key(name, keys.make().public, {"Name": name})
        region.cloud.delete_key_pair(name)
        assert region.cloud.key_pair(name) is not None
        assert name not in [one.name for one in region.cloud.key_pairs()]

    def test_a_key_pair_is_deleted_once_and_again(self, region: Region) -> None:
        name = region.pair()
        region.cloud.delete_key_pair(name)
        region.cloud.delete_key_pair(name)
        assert region.cloud.key_pair(name) is None

    def test_a_group_lets_in_exactly_what_is_wanted(self, region: Region) -> None:
        name = region.name()
        before = {Rule(22, "10.0.0.0/8"), Rule(80, "0.0.0.0/0"), Rule(80, "::/0")}
        after = {Rule(22, "10.1.0.0/16"), Rule(80, "0.0.0.0/0"), Rule(443, "0.0.0.0/0")}
        id = region.group(*before, name=name)
        assert self._rules(region, id) == before
        assert region.group(*after, name=name) == id
        assert self._rules(region, id) == after
        assert region.group(*after, name=name) == id
        assert self._rules(region, id) == after

    def test_a_group_of_others_is_refused_and_stays_as_it_is(self, region: Region) -> None:
        name, network = region.name(), region.cloud.networks()[0].id
        with pytest.raises(CloudError) as caught:
            for _ in range(2):
                region.cloud.ensure_group(
                    name, network=network, rules=[Rule(80, "0.0.0.0/0")], tags={"Name": name}, description="x"
                )
        assert caught.value.code == "aws_group_not_ours"

    def test_a_machine_carries_its_tags_from_the_start(self, region: Region) -> None:
        machine = region.run(instance=f"uuid-{RUN}-{next(_numbers)}")
        assert machine.state in ("pending", "running") and machine.launched_at is not None
        assert machine.tags["ManagedBy"] == "portal"
        assert region.cloud.find_tagged(machine.tags["portal:instance"]).id == machine.id  # type: ignore[union-attr]
        assert machine.id in [one.id for one in region.cloud.machines()]

    def test_the_same_request_and_token_are_the_same_machine(self, region: Region) -> None:
        if not region.knows_tokens:
            pytest.skip("moto does not know tokens")
        request, token = region.request(), secrets.token_hex(32)
        first, second = region.cloud.run(request, token), region.cloud.run(request, token)
        region.made.append(first.id)
        assert first.id == second.id
        with pytest.raises(CloudError) as caught:
            region.cloud.run({**request, "InstanceType": "t3.small"}, token)
        assert caught.value.code == "aws_token_mismatch"

    def test_a_machine_is_stopped_started_and_ended(self, region: Region) -> None:
        machine = region.run()
        running = region.settle(machine.id, "running")
        assert running.public_ip and running.private_ip and running.zone
        region.cloud.stop(machine.id)
        assert region.settle(machine.id, "stopped").live
        region.cloud.start(machine.id)
        region.settle(machine.id, "running")
        region.cloud.reboot(machine.id)
        region.cloud.terminate(machine.id)
        assert not region.settle(machine.id, "terminated").live
        region.cloud.terminate(machine.id)

    def test_a_machine_that_is_not_there_is_none(self, region: Region) -> None:
        assert region.cloud.find("i-0aaaaaaaaaaaaaaaa") is None
        assert region.cloud.find_tagged("nobody") is None
        with pytest.raises(CloudError) as caught:
            region.cloud.stop("i-0aaaaaaaaaaaaaaaa")
        assert caught.value.code == "aws_not_found"

    def test_a_machine_without_our_tag_takes_no_orders(self, region: Region) -> None:
        machine = region.run(tags={"Name": region.name()})
        try:
            for order in (region.cloud.stop, region.cloud.start, region.cloud.reboot, region.cloud.terminate):
                with pytest.raises(CloudError) as caught:
                    order(machine.id)
                assert caught.value.code == "aws_not_ours"
            assert machine.id not in [one.id for one in region.cloud.machines()]
            assert region.settle(machine.id, "running").live
        finally:
            self.end_foreign(region, machine.id)

    def test_an_address_goes_to_its_machine_and_is_given_back_after_it(self, region: Region) -> None:
        machine = region.settle(region.run().id, "running")
        address = region.cloud.allocate_address(tags_for(region.name()))
        region.addresses.append(address.id)
        region.cloud.associate(address.id, machine.id)
        assert region.cloud.find(machine.id).public_ip == address.ip  # type: ignore[union-attr]
        with pytest.raises(CloudError) as caught:
            region.cloud.release(address.id)
        assert caught.value.code == "aws_in_use"
        region.cloud.terminate(machine.id)
        region.settle(machine.id, "terminated")
        region.cloud.release(address.id)
        region.cloud.release(address.id)
        assert address.id not in [one.id for one in region.cloud.addresses()]

    def end_foreign(self, region: Region, id: str) -> None:
        """End a machine that the cloud under test refuses to touch."""

    def _rules(self, region: Region, id: str) -> set[Rule]:
        return set(next(group.rules for group in region.cloud.groups() if group.id == id))
