"""A region of a cloud made of dictionaries; held against EC2 by `tests/integration/test_ec2_machines.py`."""

import itertools
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone

from instances.clouds.base import (
    INSTANCE_TAG,
    Address,
    Check,
    CloudError,
    Group,
    Image,
    KeyPair,
    Machine,
    Network,
    Rule,
    Subnet,
    Tags,
)
from instances.clouds.fingerprints import same_key
from instances.clouds.requests import as_tags
from instances.clouds.tags import is_ours

UBUNTU = "ami-0c10dbc0010000001"
MOVES = {"pending": "running", "stopping": "stopped", "shutting-down": "terminated"}


@dataclass
class FakeMachines:
    """Machines that do what they are told one `tick` later, and go wrong on request."""

    region: str = "us-east-1"
    calls: list[str] = field(default_factory=list)
    # Method → how often it raises the error before it works again.
    faults: dict[str, list[CloudError]] = field(default_factory=dict)
    # Methods that act, and then lose their answer once.
    lost_answers: set[str] = field(default_factory=set)
    full_subnets: set[str] = field(default_factory=set)
    # Machines that exist, and that nobody is told about.
    hidden: set[str] = field(default_factory=set)
    machines_by_id: dict[str, Machine] = field(default_factory=dict)
    groups_by_id: dict[str, Group] = field(default_factory=dict)
    pairs: dict[str, KeyPair] = field(default_factory=dict)
    addresses_by_id: dict[str, Address] = field(default_factory=dict)
    images: dict[str, Image] = field(
        default_factory=lambda: {UBUNTU: Image(UBUNTU, "ubuntu-22.04", "x86_64", "/dev/sda1", "ubuntu")}
    )
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._by_token: dict[str, tuple[str, str]] = {}
        self._lock = threading.RLock()

    # --- what a test does ------------------------------------------------------------------------

    def tick(self) -> None:
        """Let everything that is on its way arrive."""
        for machine in list(self.machines_by_id.values()):
            if machine.state in MOVES:
                self.set_state(machine.id, MOVES[machine.state])

    def set_state(self, id: str, state: str) -> None:
        """Somebody else, or time, did this to a machine."""
        machine = self.machines_by_id[id]
        ip = machine.public_ip
        if state in ("stopped", "terminated", "shutting-down"):
            ip = ""
        elif not ip and state in ("pending", "running"):
            ip = self._public_ip(id)
        self.machines_by_id[id] = replace(machine, state=state, public_ip=ip)

    def fail(self, method: str, code: str, *, times: int = 1, again: bool = False, detail: str = "") -> None:
        """Refuse the next calls of a method."""
        error = CloudError(code, detail or f"{method} in {self.region}: {code}", again=again)
        self.faults.setdefault(method, []).extend([error] * times)

    def put(self, machine: Machine) -> Machine:
        """A machine that somebody else made."""
        self.machines_by_id[machine.id] = machine
        return machine

    # --- images and networks ---------------------------------------------------------------------

    def resolve_image(self, parameter: str) -> str:
        self._called("resolve_image")
        return UBUNTU

    def check_image(self, image_id: str) -> Image:
        self._called("check_image")
        if image_id not in self.images:
            raise CloudError("aws_image_not_found", f"InvalidAMIID.NotFound: {image_id}")
        return self.images[image_id]

    def networks(self) -> list[Network]:
        self._called("networks")
        return [Network("vpc-1", "172.31.0.0/16", True)]

    def subnets(self, network: str = "") -> list[Subnet]:
        self._called("subnets")
        found = [
            Subnet(f"subnet-{letter}", "vpc-1", f"{self.region}{letter}", "172.31.0.0/20", True, True)
            for letter in "abc"
        ]
        return [subnet for subnet in found if network in ("", subnet.network)]

    # --- key pairs and groups --------------------------------------------------------------------

    def key_pair(self, name: str) -> KeyPair | None:
        self._called("key_pair")
        return self.pairs.get(name)

    def import_key(self, name: str, public_key: str, tags: Tags) -> None:
        self._called("import_key")
        found = self.pairs.setdefault(name, KeyPair(name, "", public_key, dict(tags), timezone.now()))
        if not same_key(found, public_key):
            raise CloudError("aws_key_pair_mismatch", f"{name} is another key.")

    def key_pairs(self) -> list[KeyPair]:
        self._called("key_pairs")
        return [pair for pair in self.pairs.values() if is_ours(pair.tags)]

    def delete_key_pair(self, name: str) -> None:
        self._called("delete_key_pair")
        if name in self.pairs and is_ours(self.pairs[name].tags):
            del self.pairs[name]

    def ensure_group(
        self, name: str, *, network: str, rules: Sequence[Rule], tags: Tags, description: str
    ) -> str:
        self._called("ensure_group")
        same = [one for one in self.groups_by_id.values() if (one.name, one.network) == (name, network)]
        group = same[0] if same else Group(f"sg-{next(self._numbers):017x}", name, network, dict(tags))
        if not is_ours(group.tags):
            raise CloudError("aws_group_not_ours", f"{name} was not made by this portal.")
        self.groups_by_id[group.id] = replace(group, rules=frozenset(rules))
        return group.id

    def groups(self) -> list[Group]:
        self._called("groups")
        return [group for group in self.groups_by_id.values() if is_ours(group.tags)]

    def delete_group(self, id: str) -> None:
        self._called("delete_group")
        if any(id in machine.groups and machine.state != "terminated" for machine in self._all()):
            raise CloudError("aws_in_use", f"{id} is in use.", again=True)
        if id in self.groups_by_id and is_ours(self.groups_by_id[id].tags):
            del self.groups_by_id[id]

    # --- machines --------------------------------------------------------------------------------

    def run(self, request: Mapping[str, Any], token: str) -> Machine:
        with self._lock:
            body = json.dumps(request, sort_keys=True)
            self.requests.append((token, dict(request)))
            self._called("run")
            if token in self._by_token:
                known, id = self._by_token[token]
                if known != body:
                    raise CloudError("aws_token_mismatch", "IdempotentParameterMismatch")
                return self.machines_by_id[id]
            if request["SubnetId"] in self.full_subnets:
                raise CloudError("aws_no_capacity", "InsufficientInstanceCapacity")
            machine = self._made(request)
            self._by_token[token] = (body, machine.id)
            self._lose("run")
            return machine

    def find(self, id: str) -> Machine | None:
        self._called("find")
        return None if id in self.hidden else self.machines_by_id.get(id)

    def find_tagged(self, instance: str) -> Machine | None:
        self._called("find_tagged")
        found = [one for one in self._ours() if one.tags.get(INSTANCE_TAG) == instance]
        return min(found, key=lambda machine: not machine.live, default=None)

    def machines(self) -> list[Machine]:
        self._called("machines")
        return self._ours()

    def start(self, id: str) -> None:
        self._order("start", id, {"stopped": "pending"})

    def stop(self, id: str) -> None:
        self._order("stop", id, {"running": "stopping", "pending": "stopping"})

    def reboot(self, id: str) -> None:
        self._order("reboot", id, {})

    def terminate(self, id: str) -> None:
        self._order(
            "terminate", id, dict.fromkeys(("pending", "running", "stopping", "stopped"), "shutting-down")
        )

    def status(self, id: str) -> str:
        self._called("status")
        machine = self.machines_by_id.get(id)
        return "ok" if machine and machine.state == "running" else ""

    def console(self, id: str) -> str:
        self._called("console")
        return "booted" if id in self.machines_by_id else ""

    # --- elastic addresses -----------------------------------------------------------------------

    def allocate_address(self, tags: Tags) -> Address:
        self._called("allocate_address")
        number = next(self._numbers)
        address = Address(f"eipalloc-{number:017x}", f"198.51.100.{number}", "", dict(tags))
        self.addresses_by_id[address.id] = address
        return address

    def associate(self, address_id: str, machine_id: str) -> None:
        self._check_ours(machine_id)
        self._called("associate")
        address = replace(self.addresses_by_id[address_id], machine=machine_id)
        self.addresses_by_id[address_id] = address
        self.machines_by_id[machine_id] = replace(self.machines_by_id[machine_id], public_ip=address.ip)

    def release(self, address_id: str) -> None:
        self._called("release")
        address = self.addresses_by_id.get(address_id)
        if address is None or not is_ours(address.tags):
            return
        holder = self.machines_by_id.get(address.machine)
        if holder is not None and holder.live:
            raise CloudError("aws_in_use", f"{address.ip} is in use.", again=True)
        del self.addresses_by_id[address_id]

    def addresses(self) -> list[Address]:
        self._called("addresses")
        return [address for address in self.addresses_by_id.values() if is_ours(address.tags)]

    def validate(self) -> list[Check]:
        return [Check("identity", True, "fake")]

    # --- inside ----------------------------------------------------------------------------------

    def _called(self, method: str) -> None:
        with self._lock:
            self.calls.append(method)
            if self.faults.get(method):
                raise self.faults[method].pop(0)

    def _lose(self, method: str) -> None:
        if method in self.lost_answers:
            self.lost_answers.remove(method)
            raise CloudError("aws_unreachable", f"{method}: the connection was closed.", again=True)

    def _order(self, method: str, id: str, moves: Mapping[str, str]) -> None:
        self._check_ours(id)
        self._called(method)
        state = self.machines_by_id[id].state
        if state in moves:
            self.set_state(id, moves[state])
        self._lose(method)

    def _check_ours(self, id: str) -> None:
        if id not in self.machines_by_id or id in self.hidden:
            raise CloudError("aws_not_found", f"AWS knows no machine {id}.")
        if not is_ours(self.machines_by_id[id].tags):
            raise CloudError("aws_not_ours", f"{id} does not carry this portal's tag.")

    def _all(self) -> list[Machine]:
        return [machine for machine in self.machines_by_id.values() if machine.id not in self.hidden]

    def _ours(self) -> list[Machine]:
        return [machine for machine in self._all() if is_ours(machine.tags)]

    def _public_ip(self, id: str) -> str:
        held = [address.ip for address in self.addresses_by_id.values() if address.machine == id]
        return held[0] if held else f"203.0.113.{next(self._numbers)}"

    def _made(self, request: Mapping[str, Any]) -> Machine:
        number = next(self._numbers)
        tags = {spec["ResourceType"]: as_tags(spec["Tags"]) for spec in request["TagSpecifications"]}
        zone = next(one.zone for one in self.subnets() if one.id == request["SubnetId"])
        machine = Machine(
            id=f"i-{number:017x}", state="pending", type=request["InstanceType"],
            image_id=request["ImageId"], zone=zone, subnet=request["SubnetId"],
            public_ip=f"203.0.113.{number}", private_ip=f"172.31.0.{number}", key_pair=request["KeyName"],
            groups=tuple(request["SecurityGroupIds"]), launched_at=timezone.now(), tags=tags["instance"],
        )  # fmt: skip
        return self.put(machine)
