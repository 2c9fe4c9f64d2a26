"""Asks an application whether it is well."""

from dataclasses import dataclass

from deployments.pipeline.proxies.base import Route
from instances.hosts import http
from instances.hosts.base import Host, HostError

# Tried in this order when nobody said which path tells the health.
USUAL_PATHS = ("/health", "/healthz", "/up", "/")
UNKNOWN_PATH = (404, 405)
# What a value in quotes must not hold as it is, in a configuration of curl.
QUOTED = str.maketrans({"\\": "\\\\", '"': '\\"'})


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


def probe_site(host: Host, route: Route, path: str, *, basic_auth: str = "", timeout: float = 5) -> Probe:
    """Ask through the proxy, as people reach the site, from the host itself."""
    if not (route.shares_port or route.https or basic_auth):
        return probe(host, route.public_port, path, timeout=timeout)
    name = route.hostnames[0] if route.hostnames else "localhost"
    scheme, port = ("https", 443) if route.https else ("http", route.public_port)
    settings = [
        f'url = "{scheme}://{name}:{port}{route.path_prefix}{path}"',
        f'resolve = "{name}:{port}:127.0.0.1"',
        "silent", "show-error", "insecure", 'output = "/dev/null"', 'write-out = "%{http_code}"',
        f"max-time = {timeout:g}", 'user-agent = "portal-health-check"',
    ]  # fmt: skip
    if basic_auth:
        settings.append(f'user = "{basic_auth.translate(QUOTED)}"')
    try:
        result = host.call(["curl", "-q", "-K", "-"], input="\n".join(settings).encode(), timeout=timeout + 3)
    except HostError as error:
        return Probe(path, None, str(error))
    status = result.out.strip()
    if not result.ok or not status.isdigit() or status == "000":
        return Probe(path, None, result.err.strip()[-200:] or "no answer through NGINX")
    return Probe(path, int(status))
