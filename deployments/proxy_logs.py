"""The proxy's own log of one environment: who asked for what, and what went wrong in front of it."""

import json
from datetime import UTC, datetime
from typing import Any, Protocol, cast

from deployments.logs.lines import ERROR, INFO, WARNING
from deployments.models import Environment
from deployments.pipeline import places
from deployments.pipeline.proxies.builtin import BuiltinProxy
from deployments.runtime_logs import Line, redactor_of

TAIL, MOST_LINES = 50, 500
READ_SECONDS = 8.0
# The newest matching lines of the file and of the one before it.
SCRIPT = 'cat -- "$3.1" "$3" 2>/dev/null | tail -n 50000 | grep -F -e "$1" | tail -n "$2"'


class KeepsLogs(Protocol):
    """A proxy that gives its logs as text."""

    def access_log(self, site: str, *, lines: int) -> str: ...

    def error_log(self, site: str, *, lines: int) -> str: ...


def access_log(environment: Environment, *, lines: int = TAIL) -> list[Line]:
    """The last requests, one line each. Raises HostError."""
    place = places.place_of(environment.instance)
    redact = redactor_of(environment)
    wanted = min(lines, MOST_LINES)
    if isinstance(place.proxy, BuiltinProxy):
        path = str(place.proxy.directory / "access.log")
        words = ["sh", "-c", SCRIPT, "sh", f'"site":"{environment.uuid.hex}"', str(wanted), path]
        rows = place.host.call(words, timeout=READ_SECONDS).out.splitlines()
        return [_request(row, redact) for row in rows]
    text = cast(KeepsLogs, place.proxy).access_log(environment.uuid.hex, lines=wanted)
    return [Line(None, _level_of_status(row), redact(row)) for row in text.splitlines()]


def error_log(environment: Environment, *, lines: int = TAIL) -> list[Line]:
    """The last complaints of the proxy itself. Raises HostError."""
    place = places.place_of(environment.instance)
    if isinstance(place.proxy, BuiltinProxy):
        # It keeps one log: what it could not pass on stands there with its status.
        failed = [line for line in access_log(environment, lines=MOST_LINES) if line.level == ERROR]
        return failed[-lines:]
    redact = redactor_of(environment)
    text = cast(KeepsLogs, place.proxy).error_log(environment.uuid.hex, lines=min(lines, MOST_LINES))
    return [Line(None, ERROR if "[error]" in row else INFO, redact(row)) for row in text.splitlines()]


def _request(row: str, redact: Any) -> Line:
    """A row of the built-in proxy as a sentence."""
    try:
        facts = json.loads(row)
        text = (
            f"{facts['method']} {facts['path']} → {facts['status']}, {facts['bytes']} bytes "
            f"in {facts['ms']} ms, for {facts['client']}"
        )
        return Line(datetime.fromtimestamp(facts["at"], UTC), _level(int(facts["status"])), redact(text))
    except (ValueError, KeyError, TypeError):
        # Something that it also notes, such as a connection that was hung up.
        return Line(None, INFO, redact(row))


def _level_of_status(row: str) -> str:
    """Of a row in the combined format: the status stands behind the quoted request."""
    behind = row.split('" ', 2)[1:2]
    status = behind[0].split(" ")[0] if behind else ""
    return _level(int(status)) if status.isdigit() else INFO


def _level(status: int) -> str:
    if status >= 500:
        return ERROR
    return WARNING if status >= 400 else INFO
