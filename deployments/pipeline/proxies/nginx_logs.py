"""The last lines of what NGINX wrote."""

from deployments.pipeline.proxies.nginx_rendering import SITE, Layout
from instances.hosts.base import Host, HostError, Result

# How far back a site's own requests are looked for.
LINES_LOOKED_AT = 20_000
MOST_LINES = 1000
TAIL = 'tail -n "$2" "$1" 2>/dev/null | grep -F -- "$3" | tail -n "$4"'
SECONDS = 10


def access(host: Host, layout: Layout, site: str, lines: int) -> list[str]:
    """The last requests of a site, oldest first."""
    if not SITE.fullmatch(site):
        raise ValueError(f"{site!r} cannot name a site.")
    file, wanted = f"{layout.logs}/portal-access.json", f'"site":"{site}"'
    return _lines(host, file, str(LINES_LOOKED_AT), wanted, str(min(lines, MOST_LINES)))


def errors(host: Host, layout: Layout, lines: int) -> list[str]:
    """The last complaints, oldest first."""
    number = str(min(lines, MOST_LINES))
    return _lines(host, f"{layout.logs}/error.log", number, "", number)


def _lines(host: Host, *values: str) -> list[str]:
    result: Result = host.call(["sh", "-c", TAIL, "tail", *values], timeout=SECONDS)
    if result.code > 1:
        raise HostError(f"The log of NGINX could not be read: {result.err.strip()}")
    return result.out.splitlines()
