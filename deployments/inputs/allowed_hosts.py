"""The Git servers that GIT_ALLOWED_HOSTS admits."""

import re
from dataclasses import dataclass

from django.conf import settings

from portal.core import addresses

ENTRY = re.compile(
    r"(?:(?P<scheme>https?|ssh)://)?(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
)
ANY = "*"
USUAL_PORTS = {"https": 443, "ssh": 22, "http": 80}
# What a plain entry admits.
PLAIN = {("https", 443), ("ssh", 22)}


@dataclass(frozen=True)
class Entry:
    """One entry: a host with its usual ports, or exactly one scheme, host and port."""

    host: str
    scheme: str = ""
    port: int = 0

    def admits(self, scheme: str, host: str, port: int) -> bool:
        if host != self.host:
            return False
        return (scheme, port) == (self.scheme, self.port) if self.scheme else (scheme, port) in PLAIN


def entries() -> list[Entry]:
    """The entries that can be read; the others admit nothing."""
    return [entry for text in settings.GIT_ALLOWED_HOSTS if (entry := read_entry(text)) is not None]


def unreadable() -> list[str]:
    """The entries that mean nothing, for the doctor."""
    return [text for text in settings.GIT_ALLOWED_HOSTS if text.strip() != ANY and read_entry(text) is None]


def any_public() -> bool:
    """Are all public hosts admitted? Only when somebody typed the star."""
    return any(text.strip() == ANY for text in settings.GIT_ALLOWED_HOSTS)


def read_entry(text: str) -> Entry | None:
    """Read `github.com`, `10.0.0.5` or `http://10.0.0.5:3000`."""
    match = ENTRY.fullmatch(text.strip().rstrip("/").lower())
    if match is None or not _is_host(match["host"]) or (match["port"] and not match["scheme"]):
        return None
    scheme = match["scheme"] or ""
    return Entry(match["host"], scheme, int(match["port"] or USUAL_PORTS.get(scheme, 0)))


def why_not_admitted(scheme: str, host: str, port: int) -> str:
    """Why a server is not admitted; empty when it is."""
    listed = entries()
    if any(entry.admits(scheme, host, port) for entry in listed):
        return ""
    if any(entry.host == host for entry in listed):
        return f"only {_spelled(listed, host)} is allowed on that host"
    if not any_public():
        return "it is not one of the allowed Git servers"
    if not addresses.is_dns_name(host):
        return "it is an address or a number, not a host name"
    if (scheme, port) not in PLAIN:
        return "other schemes and ports need an entry of their own"
    return addresses.why_not_public_name(host) or _why_not_resolved(host)


def is_listed(scheme: str, host: str, port: int) -> bool:
    """Is the server admitted by name, so that somebody vouches for its address?"""
    return any(entry.admits(scheme, host, port) for entry in entries())


def _why_not_resolved(host: str) -> str:
    # A name that has no address now cannot do harm; what it means later is checked again by the runner.
    return next(filter(None, map(addresses.why_not_public, addresses.resolve(host))), "")


def _is_host(host: str) -> bool:
    return addresses.is_dns_name(host) or addresses.parse_address(host.strip("[]")) is not None


def _spelled(listed: list[Entry], host: str) -> str:
    parts = []
    for entry in listed:
        if entry.host == host:
            parts.append(
                f"{entry.scheme}://{host}:{entry.port}" if entry.scheme else f"https and ssh to {host}"
            )
    return ", ".join(parts)
