"""Following what containers write: read once for all who look, and only while somebody looks.

The engine of a host wakes nobody up, so it is asked; but a request only ever asks when what is known
is old, and never waits for another one that asks.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from deployments import runtime_logs
from deployments.pipeline.runtimes.log_pieces import NoContainer
from deployments.runtime_logs import TAIL, Line, Look, Reading, Source, redactor_of, trouble_of
from instances.hosts.base import HostError

# However many look, the host is asked no more often than this; and rarely while it does not answer.
FRESH_SECONDS = 0.5
AFTER_ERROR_SECONDS = 10.0
FORGET_SECONDS = 10.0
KEPT_LINES, KEPT_LOGS = 5000, 64


def follow(source: Source, cursor: str) -> Look:
    """What came after a cursor. However many ask, the host is asked twice a second at most."""
    return _shared(source).after(cursor)


@dataclass(frozen=True)
class Part:
    """Lines between two cursors."""

    began: str
    lines: list[Line]
    ended: str


class Shared:
    """The newest lines of one container, read once for everybody in this process."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.reading = Reading(redactor_of(source.environment))
        # Replaced as a whole, so that who looks needs no lock.
        self.parts: tuple[Part, ...] = ()
        self.trouble = ""
        self.used_at = time.monotonic()
        self._next_read = 0.0
        self._lock = threading.Lock()

    def after(self, cursor: str) -> Look:
        """What there is after a cursor, read again when it is old."""
        # Whoever finds it being read takes what is there and comes again: no thread waits for another.
        if self._lock.acquire(blocking=False):
            try:
                if time.monotonic() >= self._next_read:
                    self._read(cursor)
            finally:
                self._lock.release()
        return self._from(cursor)

    def _read(self, cursor: str) -> None:
        # Who comes first says from where: the page, another process, or we before a restart.
        began = self.parts[-1].ended if self.parts else cursor
        try:
            piece = (
                runtime_logs.read_on(self.source, began) if began else runtime_logs.newest(self.source, TAIL)
            )
        except (HostError, NoContainer) as error:
            self.trouble = trouble_of(error)
            self._next_read = time.monotonic() + AFTER_ERROR_SECONDS
            return
        self.trouble = ""
        self._next_read = time.monotonic() + (0 if piece.more else FRESH_SECONDS)
        if piece.cursor != began:
            parts = (*self.parts, Part(began, self.reading.take(piece), piece.cursor))
            while len(parts) > 1 and sum(len(part.lines) for part in parts) > KEPT_LINES:
                parts = parts[1:]
            self.parts = parts

    def _from(self, cursor: str) -> Look:
        parts = self.parts
        if self.trouble or not parts or cursor == parts[-1].ended:
            return Look([], cursor, self.trouble)
        place = next((number for number, part in enumerate(parts) if part.began == cursor), None)
        if place is None:
            # Somebody who was away for long, or whose cursor is of another process.
            return self._alone(cursor)
        return Look([line for part in parts[place:] for line in part.lines], parts[-1].ended)

    def _alone(self, cursor: str) -> Look:
        try:
            piece = runtime_logs.read_on(self.source, cursor)
        except (HostError, NoContainer) as error:
            return Look([], cursor, trouble_of(error))
        return Look(Reading(self.reading.redact).take(piece), piece.cursor)


_logs: OrderedDict[tuple[int, str], Shared] = OrderedDict()
_logs_lock = threading.Lock()


def _shared(source: Source) -> Shared:
    key = (source.environment.pk, source.container)
    now = time.monotonic()
    with _logs_lock:
        found = _logs.get(key)
        if found is None or now - found.used_at > FORGET_SECONDS:
            # Nobody has looked for a while, and secrets may have been added meanwhile.
            found = _logs[key] = Shared(source)
        found.used_at = now
        _logs.move_to_end(key)
        while len(_logs) > KEPT_LOGS:
            _logs.popitem(last=False)
        return found


def forget_all() -> None:
    """Begin anew, as another process would."""
    with _logs_lock:
        _logs.clear()
