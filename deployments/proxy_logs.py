"""The proxy's own log of one environment: who asked for what, and what went wrong in front of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from deployments.logs.lines import ERROR, INFO, WARNING, level_of
from deployments.models import Environment
from deployments.pipeline import places
from deployments.pipeline.proxies.builtin import BuiltinProxy
from deployments.pipeline.proxies.nginx import NginxProxy
from deployments.runtime_logs import Line, redactor_of
from instances.hosts.base import Host
from portal.core.redact import Redactor

TAIL, MOST_LINES = 50, 1000
READ_SECONDS = 8.0
# The newest lines about one site, of the file and of the one before it.
SCRIPT = 'cat -- "$3.1" "$3" 2>/dev/null | tail -n 50000 | grep -F -e "$1" | tail -n "$2"'
NGINX_TIME, TIME_LENGTH = "%Y/%m/%d %H:%M:%S", 19


def access_log(environment: Environment, *, lines: int = TAIL) -> list[Line]:
    """The last requests, one line each. Raises HostError."""
    place = places.place_of(environment.instance)
    site, wanted = environment.uuid.hex, min(lines, MOST_LINES)
    rows: list[str] = []
    if isinstance(place.proxy, NginxProxy):
        rows = place.proxy.access_log(site, wanted)
    elif isinstance(place.proxy, BuiltinProxy):
        rows = _builtin_rows(place.host, str(place.proxy.directory / "access.log"), site, wanted)
    redact = redactor_of(environment)
    return [_request(row, redact) for row in rows]


def error_log(environment: Environment, *, lines: int = TAIL) -> list[Line]:
    """The last complaints about this environment. Raises HostError."""
    place = places.place_of(environment.instance)
    if isinstance(place.proxy, NginxProxy):
        redact = redactor_of(environment)
        rows = [row for row in place.proxy.error_log(MOST_LINES) if _is_about(environment, row)]
        return [_complaint(row, redact) for row in rows[-lines:]]
    # The built-in one keeps one log: what it could not pass on stands there with its status.
    found = access_log(environment, lines=MOST_LINES)
    return [line for line in found if line.level == ERROR][-lines:]


def _builtin_rows(host: Host, path: str, site: str, lines: int) -> list[str]:
    words = ["sh", "-c", SCRIPT, "sh", f'"site":"{site}"', str(lines), path]
    return host.call(words, timeout=READ_SECONDS).out.splitlines()


def _request(row: str, redact: Redactor) -> Line:
    """A row of an access log as a sentence; NGINX writes all values as text."""
    try:
        facts: dict[str, Any] = json.loads(row)
        status = int(facts["status"])
        milliseconds = float(facts["seconds"]) * 1000 if "seconds" in facts else facts["ms"]
        text = (
            f"{facts['method']} {facts['path']} → {status}, {facts['bytes']} bytes "
            f"in {milliseconds:g} ms, for {facts['client']}"
        )
        return Line(_moment(facts["at"]), _level(status), redact(text))
    except (ValueError, KeyError, TypeError):
        # Something that it also notes, such as a connection that was hung up.
        return Line(None, INFO, redact(row))


def _moment(at: float | str) -> datetime:
    if isinstance(at, str):
        return datetime.fromisoformat(at).astimezone(UTC)
    return datetime.fromtimestamp(at, UTC)


def _complaint(row: str, redact: Redactor) -> Line:
    at = _nginx_time(row)
    text = row[TIME_LENGTH:].strip() if at else row
    level = ERROR if text.startswith(("[error]", "[crit]", "[alert]", "[emerg]")) else level_of(text)
    return Line(at, WARNING if text.startswith("[warn]") else level, redact(text))


def _is_about(environment: Environment, row: str) -> bool:
    """NGINX complains about all its sites in one file; those of other teams are not for everybody."""
    if any(mark in row for mark in _own_marks(environment)):
        return True
    live, port, at = environment.live_deployment, environment.live_port, _nginx_time(row)
    # A loopback port may have been another application's before.
    since = live.created_at if live else None
    return bool(port and at and since and at >= since and f"//127.0.0.1:{port}/" in row)


def _own_marks(environment: Environment) -> Iterator[str]:
    yield f"portal_{environment.uuid.hex}"
    for hostname in environment.hostnames:
        yield f"server: {hostname},"
        yield f'host: "{hostname}"'


def _nginx_time(row: str) -> datetime | None:
    """It writes no zone; servers of ours are in UTC."""
    try:
        return datetime.strptime(row[:TIME_LENGTH], NGINX_TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def _level(status: int) -> str:
    if status >= 500:
        return ERROR
    return WARNING if status >= 400 else INFO
