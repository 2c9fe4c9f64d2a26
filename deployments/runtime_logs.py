"""What the containers of an environment write while they run: the end of it, what is new, all of it.

Lines are masked and cleaned like those of a deployment's log. Nothing is stored: the host keeps it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deployments import logs, snapshots
from deployments.logs import ansi
from deployments.logs.cleaning import clean
from deployments.logs.lines import level_of
from deployments.models import Deployment, Environment
from deployments.pipeline import git, names, places
from deployments.pipeline.runtimes import docker_logs, process_logs
from deployments.pipeline.runtimes.log_pieces import NoContainer, Piece
from instances.hosts.base import Host, HostError
from portal.core.errors import Invalid, NotFound
from portal.core.redact import Redactor

TAIL, MOST_LINES = 100, 10_000
# A private key may have begun before the lines that are wanted: so many more are read to see that.
LINES_BEFORE = 200
DOWNLOAD_SECONDS = 120.0


@dataclass(frozen=True)
class Line:
    """One line; the process runtime keeps no times."""

    at: datetime | None
    level: str
    text: str


@dataclass(frozen=True)
class Source:
    """A container of an environment, and the deployment that started it."""

    environment: Environment
    container: str
    runtime: str
    deployment: Deployment | None
    is_live: bool

    @property
    def short_id(self) -> str:
        return self.deployment.short_id if self.deployment else ""


@dataclass(frozen=True)
class Look:
    """Lines after a cursor, the cursor behind them, and what is wrong when nothing could be read."""

    lines: list[Line]
    cursor: str
    trouble: str = ""


def source_of(environment: Environment, short_id: str = "") -> Source:
    """The live container, or the one that a deployment of this environment started."""
    live = environment.live_deployment
    if not short_id and environment.live_release:
        return Source(environment, environment.live_container, environment.live_release.runtime, live, True)
    rows = Deployment.objects.filter(environment=environment).order_by("-id")
    found = (
        (rows.filter(short_id=short_id) if short_id else rows).select_related("release", "instance").first()
    )
    if found is None:
        raise NotFound
    runtime = found.release.runtime if found.release else str(found.facts.get("runtime", ""))
    name = str(found.facts.get("container") or names.container_name(found))
    return Source(environment, name, runtime, found, is_live=live is not None and live.pk == found.pk)


def read_tail(source: Source, *, lines: int = TAIL, since: datetime | None = None, text: str = "") -> Look:
    """The last lines: all, those since a time, or those with a text. Raises HostError, NoContainer."""
    if since and source.runtime == "process":
        raise Invalid(
            {"since": "The process runtime keeps no times; leave `since` out, or deploy with Docker."}
        )
    asked = MOST_LINES if text else min(lines, MOST_LINES)
    piece = newest(source, asked + LINES_BEFORE, since)
    found = Reading(redactor_of(source.environment)).take(piece)
    return Look(matching(found, text)[-lines:], piece.cursor)


def matching(lines: Sequence[Line], text: str) -> list[Line]:
    """The lines with a text, in capitals or not."""
    wanted = text.casefold()
    return [line for line in lines if wanted in line.text.casefold()] if wanted else list(lines)


def whole(source: Source) -> Iterator[str]:
    """All that the host still keeps, as text; a sentence at its end when that could not be read."""
    reading = Reading(redactor_of(source.environment))
    until = time.monotonic() + DOWNLOAD_SECONDS
    cursor, more = "", True
    while more:
        try:
            piece = read_on(source, cursor)
        except (HostError, NoContainer) as error:
            yield f"[portal] {trouble_of(error)}\n"
            return
        for line in reading.take(piece):
            stamp = f"{line.at.isoformat(timespec='milliseconds')} " if line.at else ""
            yield f"{stamp}{ansi.strip(line.text)}\n"
        more = piece.more and piece.cursor != cursor
        cursor = piece.cursor
        if more and time.monotonic() > until:
            yield "[portal] The rest was left out: reading took too long.\n"
            return


def trouble_of(error: Exception) -> str:
    """A sentence for who looks."""
    if isinstance(error, NoContainer):
        return "The container is not there any more."
    return f"It cannot be read now: {error}"


def redactor_of(environment: Environment) -> Redactor:
    """Masks all that must not be seen in what this environment's containers say."""
    return Redactor(value for value in _secrets(environment) if value)


def _secrets(environment: Environment) -> Iterator[str]:
    yield from git.secrets_of(environment.application)
    yield environment.basic_auth.reveal().partition(":")[2]
    variables = list(environment.variables.all())
    yield from (variable.value.reveal() for variable in variables if variable.secret)
    public = {variable.key for variable in variables if not variable.secret}
    if environment.live_release:
        kept = snapshots.parse_variables(environment.live_release)
        yield from (value for key, value in kept.items() if key not in public)


class Reading:
    """Turns pieces into lines; a private key that began in one piece is masked in the next."""

    def __init__(self, redact: Redactor) -> None:
        self.redact = redact
        self.state: dict[str, Any] = {}

    def take(self, piece: Piece) -> list[Line]:
        if not piece.lines:
            return []
        raw = b"\n".join(_cleaned(line) if piece.stamped else line for line in piece.lines) + b"\n"
        taken = logs.ingest(raw, self.state, final=True, redact=self.redact)
        self.state = taken.state
        return [_line(text, stamped=piece.stamped) for text in taken.lines]


def _cleaned(line: bytes) -> bytes:
    """A progress bar writes over itself, but not over the time before it."""
    stamp, _, text = line.partition(b" ")
    return stamp + b" " + clean(text.decode(errors="replace").rstrip("\r")).encode(errors="replace")


def _line(text: str, *, stamped: bool) -> Line:
    if not stamped:
        return Line(None, level_of(text), text)
    stamp, _, rest = text.partition(" ")
    at = _time(stamp)
    shown = rest if at else text
    return Line(at, level_of(shown), shown)


def _time(stamp: str) -> datetime | None:
    try:
        # Python reads microseconds, the engine writes nanoseconds.
        found = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return found if found.tzinfo else None


def newest(source: Source, lines: int, since: datetime | None = None) -> Piece:
    """The last lines as they were written."""
    host = _host(source)
    if source.runtime == "process":
        return process_logs.read_newest(host, source.container, lines=lines)
    moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if since else ""
    return docker_logs.read_newest(host, source.container, lines=lines, since=moment)


def read_on(source: Source, cursor: str) -> Piece:
    """What was written after a cursor."""
    read = process_logs.read_on if source.runtime == "process" else docker_logs.read_on
    return read(_host(source), source.container, cursor)


def _host(source: Source) -> Host:
    # Where it was started: the environment may have moved since.
    instance = source.deployment.instance if source.deployment else source.environment.instance
    runtime = places.place_of(instance).runtimes.get(source.runtime)
    if runtime is None or not source.container:
        raise NoContainer(source.container or "none")
    return runtime.host
