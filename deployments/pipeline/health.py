"""Asks an application whether it is well."""

from dataclasses import dataclass

from instances.hosts import http
from instances.hosts.base import Host

# Tried in this order when nobody said which path tells the health.
USUAL_PATHS = ("/health", "/healthz", "/up", "/")
UNKNOWN_PATH = (404, 405)


@dataclass(frozen=True)
class Probe:
    """What a path answered."""

    path: str
    status: int | None
    trouble: str = ""

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 400

    def __str__(self) -> str:
        return self.trouble if self.status is None else f"GET {self.path} answered HTTP {self.status}"


def probe(host: Host, port: int, path: str, *, timeout: float = 5) -> Probe:
    """Ask the given path, or the usual ones until the application knows one of them."""
    for candidate in (path,) if path else USUAL_PATHS:
        answer = http.get(host, port, candidate, timeout=timeout)
        found = Probe(candidate, answer.status, answer.trouble)
        if answer.status not in UNKNOWN_PATH:
            return found
    return found
