"""What stands in front of the containers of a host and decides which one gets the requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class PortTaken(Exception):
    """Another program listens on the public port of a route."""


class ProxyRefused(Exception):
    """The proxy did not accept a route, in its own words; what was served before still is."""


@dataclass(frozen=True)
class ProxyOptions:
    """How requests of one site are treated on their way."""

    body_mb: int = 50
    read_seconds: int = 60
    websockets: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    # Networks that may ask; empty: everybody.
    allow: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """One public port and the loopback port behind it, or a share of a port by name or path."""

    site: str  # the environment's uuid as hex
    public_port: int
    upstream_port: int
    # Answers while the upstream refuses connections: the version before, as long as it runs.
    fallback_port: int | None = None
    hostnames: tuple[str, ...] = ()
    path_prefix: str = ""
    https: bool = False
    options: ProxyOptions = field(default_factory=ProxyOptions)
    # `user:password`, a secret; empty: everybody.
    basic_auth: str = field(default="", repr=False)

    @property
    def shares_port(self) -> bool:
        """Whether other sites answer on the same port, told apart by name or path."""
        return bool(self.hostnames or self.path_prefix)

    def ports(self) -> dict[str, object]:
        """What a proxy needs that knows sites by their ports only."""
        names = ("site", "public_port", "upstream_port", "fallback_port")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class SiteStatus:
    """A route as the running proxy has it, and the requests under way to each loopback port."""

    route: Route
    in_flight: dict[int, int] = field(default_factory=dict)
    # Why it is not served right now, such as a public port that another program holds; "" when it is.
    error: str = ""


class Proxy(Protocol):
    """A reverse proxy on a host. Every method may be repeated."""

    def ensure(self) -> None:
        """Make sure that it runs and serves what is stored. Returns within seconds."""

    def apply(self, route: Route) -> None:
        """Store the route, and return once the running proxy uses it. New requests go there at once."""

    def remove(self, site: str) -> None:
        """Stop serving this site."""

    def status(self) -> dict[str, SiteStatus]:
        """What is served right now, by site; raises HostError when the proxy does not answer."""

    def address(self, route: Route) -> str:
        """The URL under which people reach it."""
