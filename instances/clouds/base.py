"""Where machines come from: what a cloud can do for us, and how it refuses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

Tags = Mapping[str, str]

INSTALLATION_TAG = "portal:installation"
INSTANCE_TAG = "portal:instance"

# Whose machines cost money and take orders.
LIVE_STATES = ("pending", "running", "stopping", "stopped")


class CloudError(Exception):
    """The cloud refused or did not answer. `again` says whether the same call may help a little later."""

    def __init__(self, code: str, detail: str, again: bool = False) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.again = again


@dataclass(frozen=True)
class Machine:
    """A machine as the cloud describes it right now."""

    id: str
    state: str
    type: str
    image_id: str
    zone: str = ""
    subnet: str = ""
    public_ip: str = ""
    private_ip: str = ""
    key_pair: str = ""
    groups: tuple[str, ...] = ()
    launched_at: datetime | None = None
    tags: Tags = field(default_factory=dict)
    reason: str = ""

    @property
    def live(self) -> bool:
        return self.state in LIVE_STATES


@dataclass(frozen=True)
class Image:
    """What a machine starts from."""

    id: str
    name: str
    architecture: str
    root_device: str
    user: str


@dataclass(frozen=True)
class Subnet:
    """A part of a network in one zone."""

    id: str
    network: str
    zone: str
    cidr: str
    public: bool
    default: bool
    name: str = ""


@dataclass(frozen=True)
class Network:
    """A VPC."""

    id: str
    cidr: str
    default: bool
    name: str = ""


@dataclass(frozen=True)
class KeyPair:
    """A key pair as the cloud knows it."""

    name: str
    fingerprint: str
    public_key: str
    tags: Tags
    made_at: datetime | None = None


@dataclass(frozen=True)
class Address:
    """An elastic IP."""

    id: str
    ip: str
    machine: str
    tags: Tags


@dataclass(frozen=True, order=True)
class Rule:
    """One port of a security group that is open to one range of addresses."""

    port: int
    cidr: str


@dataclass(frozen=True)
class Group:
    """A security group and what it lets in over TCP."""

    id: str
    name: str
    network: str
    tags: Tags
    rules: frozenset[Rule] = frozenset()


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, whether it is well, and what to do when it is not."""

    name: str
    ok: bool
    message: str


class Machines(Protocol):
    """The machines of one region. Every method raises CloudError and may be repeated."""

    region: str

    def resolve_image(self, parameter: str) -> str:
        """The id that a public parameter names at the moment."""

    def check_image(self, image_id: str) -> Image:
        """What is known of an image; raises `aws_image_not_found`."""

    def key_pair(self, name: str) -> KeyPair | None:
        """The key pair of that name, whoever made it."""

    def import_key(self, name: str, public_key: str, tags: Tags) -> None:
        """Bring a public key; raises `aws_key_pair_mismatch` when another key has that name."""

    def networks(self) -> list[Network]:
        """The networks of the region, the default one first."""

    def subnets(self, network: str = "") -> list[Subnet]:
        """The subnets of the region or of one network, by zone."""

    def ensure_group(
        self, name: str, *, network: str, rules: Sequence[Rule], tags: Tags, description: str
    ) -> str:
        """Make or find the group, let in exactly what the rules say, and return its id."""

    def run(self, request: Mapping[str, Any], token: str) -> Machine:
        """Ask for one machine; the same token and request always mean the same machine."""

    def find(self, id: str) -> Machine | None:
        """The machine, or None when the cloud does not know it (yet, or any more)."""

    def find_tagged(self, instance: str) -> Machine | None:
        """Our machine that carries this instance's uuid; a live one before one that ended."""

    def machines(self) -> list[Machine]:
        """All machines of this installation, also those that ended a while ago."""

    def start(self, id: str) -> None:
        """Start a stopped machine of ours."""

    def stop(self, id: str) -> None:
        """Stop a machine of ours."""

    def reboot(self, id: str) -> None:
        """Restart a machine of ours without changing its address."""

    def terminate(self, id: str) -> None:
        """End a machine of ours for good."""

    def status(self, id: str) -> str:
        """How its last checks went: ok, initializing, impaired, or empty when nothing is known."""

    def console(self, id: str) -> str:
        """What the machine printed at boot, as far as the cloud has it."""

    def allocate_address(self, tags: Tags) -> Address:
        """Get an elastic IP."""

    def associate(self, address_id: str, machine_id: str) -> None:
        """Give a machine of ours an elastic IP of ours."""

    def release(self, address_id: str) -> None:
        """Give back an elastic IP of ours; nothing happens when it is gone."""

    def addresses(self) -> list[Address]:
        """The elastic IPs of this installation."""

    def groups(self) -> list[Group]:
        """The security groups of this installation."""

    def key_pairs(self) -> list[KeyPair]:
        """The key pairs of this installation."""

    def delete_group(self, id: str) -> None:
        """Delete a group of ours; raises `aws_in_use` while a machine has it."""

    def delete_key_pair(self, name: str) -> None:
        """Delete a key pair of ours; nothing happens when it is gone."""

    def validate(self) -> list[Check]:
        """Whether credentials, region and permissions are all right, naming what is missing."""
