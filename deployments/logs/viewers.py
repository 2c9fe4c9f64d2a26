"""One viewer of a deployment: what he has got, what he has acknowledged, and when he is given up."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from deployments.logs.frames import Frame

# So much may be on its way to a viewer without an acknowledgement; then he is served no more until one
# comes. A server that cannot tell how fast a client reads would otherwise keep all of it in memory.
WINDOW_BYTES = 128 * 1024
PATIENCE_SECONDS = 10.0

SendText = Callable[[str], Awaitable[None]]


class TooSlow(Exception):
    """The viewer has not read for too long."""


class Source(Protocol):
    """What a viewer is served from."""

    position: int
    events: list[str]
    end: str

    async def page(self, after: int) -> Frame | None: ...


class Viewer:
    """Sends what is new whenever it is woken; lines only as far as the window allows."""

    def __init__(self, send: SendText, *, after: int | None) -> None:
        self._send = send
        self._cursor = after
        self._wake = asyncio.Event()
        self._wake.set()
        self._events = 0
        self._ended = False
        self._unread: deque[tuple[int, int]] = deque()
        self._unread_bytes = 0
        self._full_since = 0.0

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    def acknowledge(self, number: int) -> None:
        """The client has shown all lines up to this number."""
        while self._unread and self._unread[0][0] <= number:
            self._unread_bytes -= self._unread.popleft()[1]
            self._full_since = 0.0
        self._wake.set()

    async def serve(self, source: Source) -> None:
        """Serve until cancelled; raises TooSlow when the viewer has stopped reading."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._events < len(source.events):
                self._events += 1
                await self._send(source.events[self._events - 1])
            caught_up = await self._send_lines(source)
            if source.end and caught_up and not self._ended:
                self._ended = True
                await self._send(source.end)

    async def _send_lines(self, source: Source) -> bool:
        """Send what fits; True when there is nothing left to send."""
        if self._cursor is None:
            return True
        while self._cursor < source.position:
            if self._unread_bytes >= WINDOW_BYTES:
                self._check_patience()
                return False
            frame = await source.page(self._cursor)
            if frame is None:
                return False
            self._cursor = frame.last
            self._unread.append((frame.last, len(frame.text)))
            self._unread_bytes += len(frame.text)
            await self._send(frame.text)
        return True

    def _check_patience(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._full_since:
            self._full_since = loop.time()
            loop.call_later(PATIENCE_SECONDS + 0.1, self._wake.set)
        elif loop.time() - self._full_since > PATIENCE_SECONDS:
            raise TooSlow
