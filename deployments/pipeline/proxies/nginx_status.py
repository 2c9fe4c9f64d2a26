"""What the script found in the running NGINX, read into routes."""

import base64
import json
from typing import Any

from deployments.pipeline.proxies.base import ProxyOptions, Route, SiteStatus
from instances.hosts.base import HostError

STALE = "The running NGINX has another configuration than its files."


def read(output: str) -> dict[str, SiteStatus]:
    """Sites with what is under way to their ports."""
    rows = [line.split() for line in output.splitlines() if line.strip()]
    if not rows or rows[-1] != ["end"]:
        raise HostError("NGINX did not tell all of what it serves.")
    busy = {int(row[1], 16): int(row[2]) for row in rows if row[0] == "busy"}
    error = STALE if ["stale"] in rows else ""
    routes = (route_from(json.loads(base64.b64decode(row[1]))) for row in rows if row[0] == "site")
    return {route.site: SiteStatus(route, busy, error) for route in routes}


def route_from(kept: dict[str, Any]) -> Route:
    """A route as it was stored beside its site."""
    options = dict(kept["options"])
    options["allow"] = tuple(options["allow"])
    return Route(**{**kept, "options": ProxyOptions(**options), "hostnames": tuple(kept["hostnames"])})
