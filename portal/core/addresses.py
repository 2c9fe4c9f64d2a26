"""Which names and addresses the portal may talk to: never itself, its network's metadata, or a disguise of them."""

import ipaddress
import queue
import re
import socket
import threading
from ipaddress import IPv4Address, IPv6Address

from django.core.exceptions import ValidationError

Address = IPv4Address | IPv6Address

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
SSH_HOST = re.compile(r"[A-Za-z0-9.:-]{1,253}")
RESOLVE_SECONDS = 2.0

OWN_NAMES = {
    "localhost", "localdomain", "ip6-localhost", "ip6-loopback", "loopback", "broadcasthost",
    "metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal",
    "host.docker.internal", "gateway.docker.internal", "kubernetes.docker.internal",
}  # fmt: skip
OWN_ZONES = (".localhost", ".localdomain")
# Public zones whose names mean whatever address is written in them.
DISGUISE_ZONES = (
    "nip.io", "sslip.io", "xip.io", "localtest.me", "lvh.me", "vcap.me", "lacolhost.com", "1u.ms",
    "rbndr.us",
)  # fmt: skip
PRIVATE_ZONES = (".local", ".internal", ".intranet", ".corp", ".home", ".lan", ".private", ".arpa", ".onion")
METADATA = {
    ipaddress.ip_address("169.254.169.254"),
    ipaddress.ip_address("100.100.100.200"),
    ipaddress.ip_address("fd00:ec2::254"),
}
NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
COMPATIBLE = ipaddress.IPv6Network("::/96")
THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")


def is_dns_name(host: str) -> bool:
    """Is this a lower-case DNS name, and not a number that resolvers would read as an address?"""
    labels = host.split(".")
    if len(host) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        return False
    return not NUMBER.fullmatch(labels[-1])


def parse_address(text: str) -> Address | None:
    """The address when the text is one in the only spelling that all programs read alike."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def why_own_name(name: str) -> str:
    """Why a name stands for this machine or its surroundings; empty when it does not."""
    if name in OWN_NAMES or name.endswith(OWN_ZONES):
        return "it means this machine or its metadata service"
    if any(name == zone or name.endswith(f".{zone}") for zone in DISGUISE_ZONES):
        return "names of this zone stand for any address written in them"
    return ""


def why_not_public_name(name: str) -> str:
    """Why a name is none of the public internet; empty when it is one."""
    if "." not in name:
        return "it has no domain"
    if name.endswith(PRIVATE_ZONES):
        return "it is a name of a private network"
    if any(label.startswith("xn--") for label in name.split(".")):
        return "names in other scripts can look like another host"
    return why_own_name(name)


def why_not_public(address: Address) -> str:
    """Why an address must not be asked on somebody's behalf; empty when it is public."""
    inner = embedded(address)
    if inner is not None:
        return why_not_public(inner) or "it hides another address"
    if address.is_global and not address.is_multicast and address not in METADATA:
        return ""
    return "it is not a public address"


def why_not_target(address: Address) -> str:
    """Why no server of ours can have this address; private ranges are where servers live."""
    if embedded(address) is not None:
        return "it hides another address"
    if address.is_loopback or address.is_unspecified:
        return "it means this machine"
    if address in METADATA or address.is_link_local:
        return "it belongs to the metadata service and other things of the local link"
    if address.is_multicast or (
        isinstance(address, IPv4Address) and (address.is_reserved or address in THIS_NETWORK)
    ):
        return "it is no address of a single machine"
    return ""


def embedded(address: Address) -> Address | None:
    """The IPv4 address inside an IPv6 one: mapped, compatible, NAT64, 6to4 or Teredo."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return address.teredo[1]
    number = int(address)
    if any(address in network for network in NAT64) or (address in COMPATIBLE and number > 1):
        return IPv4Address(number & 0xFFFFFFFF)
    return None


def resolve(host: str, *, timeout: float = RESOLVE_SECONDS) -> list[Address]:
    """All addresses of a name, or none when it has none or the resolver is too slow."""
    answers: queue.SimpleQueue[list[Address]] = queue.SimpleQueue()
    # The resolver of the C library has no deadline; the thread it may keep waiting is left behind.
    threading.Thread(target=lambda: answers.put(_look_up(host)), daemon=True).start()
    try:
        return answers.get(timeout=timeout)
    except queue.Empty:
        return []


def check_ssh_host(value: str) -> None:
    """Refuse what cannot be the name or address of a server that the portal may sign in to."""
    if not isinstance(value, str) or not SSH_HOST.fullmatch(value):
        raise ValidationError(
            "This is no host name. Write a name such as db1.example.com or an address such as 10.0.0.5, "
            "without user, port or brackets.",
            code="ssh_host",
        )
    address = parse_address(value)
    name = value.lower()
    reason = why_not_target(address) if address is not None else _why_not_server_name(name)
    if not reason and address is None:
        reason = next(filter(None, map(why_not_target, resolve(name))), "")
    if reason:
        raise ValidationError(
            f"{value} cannot be used: {reason}. Write the server's own name or address.", code="ssh_host"
        )


def _why_not_server_name(name: str) -> str:
    if not is_dns_name(name):
        return "it is neither a host name nor an address in its usual spelling"
    return why_own_name(name)


def _look_up(host: str) -> list[Address]:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    found = (parse_address(str(answer[4][0])) for answer in answers)
    return list(dict.fromkeys(address for address in found if address is not None))
