"""One end of a connection: what came in and was not taken yet, with a deadline on every wait.

Smaller and faster than asyncio's streams, and with one pile of deadlines instead of a timer per wait.
"""

import asyncio
import contextlib
import os
import re

from deployments.pipeline.proxies.relay.messages import HEAD_LIMIT, Refused

# Above the first the other side is asked to pause, below the second to go on.
FULL = 256 * 1024
ROOM = 64 * 1024

# An empty line as HTTP never has it; a head that ends so would be waited for in vain.
_BARE_LINE_END = re.compile(rb"(?<!\r)\n")


class Deadlines:
    """Ends waits that last too long, looking a few times a second."""

    def __init__(self) -> None:
        self._waits: dict[asyncio.Future[None], float] = {}

    async def wait(self, future: "asyncio.Future[None]", seconds: float) -> None:
        """Wait until the future is done; TimeoutError when it takes longer."""
        self._waits[future] = asyncio.get_running_loop().time() + seconds
        try:
            await future
        finally:
            del self._waits[future]

    def end_overdue(self) -> None:
        now = asyncio.get_running_loop().time()
        for future in [future for future, until in self._waits.items() if until <= now]:
            if not future.done():
                future.set_exception(TimeoutError())


class Peer(asyncio.Protocol):
    """The client or the application, as we see it."""

    transport: asyncio.Transport

    def __init__(self, deadlines: Deadlines) -> None:
        self.buffer = bytearray()
        self.ended = False  # nothing more will come
        self.lost = False  # nothing can be sent either
        self.error: Exception | None = None
        self.has_spoken = False
        self.sent = 0
        self._deadlines = deadlines
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._is_reading_paused = False
        self._is_writing_paused = False

    # --- what the loop tells us ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.has_spoken = True
        self.buffer += data
        if len(self.buffer) > FULL and not self._is_reading_paused:
            self._is_reading_paused = True
            self.transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        self.ended = True
        _wake(self._reader)
        return True  # it may still listen

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = self.lost = True
        self.error = exc
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        _wake(self._writer)

    # --- reading ---

    async def read_head(self, seconds: float) -> bytes:
        """The next head without its empty line; b"" when the connection ended cleanly before it."""
        scanned = 0
        until = asyncio.get_running_loop().time() + seconds
        while True:
            self._skip_empty_lines()
            end = self.buffer.find(b"\r\n\r\n", scanned)
            if end >= 0:
                break
            _check_head(self.buffer, scanned)
            scanned = max(0, len(self.buffer) - 3)
            if not await self.more(until - asyncio.get_running_loop().time()):
                if self.buffer:
                    raise ConnectionResetError
                return b""
        if end > HEAD_LIMIT:
            raise Refused(400, "The header is too large.")
        head = bytes(self.buffer[:end])
        del self.buffer[: end + 4]
        return head

    async def read_line(self, limit: int, seconds: float) -> bytes:
        """The next line without its end; ValueError when it is too long or does not end in CRLF."""
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > limit:
                raise ValueError("A line is too long.")
            if not await self.more(seconds):
                raise ConnectionResetError
        line = self.take(end + 1)
        if end > limit or not line.endswith(b"\r\n"):
            raise ValueError("A line is malformed.")
        return line[:-2]

    async def read_some(self, limit: int, seconds: float) -> bytes:
        """At least one byte and at most `limit`; b"" at the end."""
        if not self.buffer and not await self.more(seconds):
            if self.error is not None:
                raise ConnectionResetError
            return b""
        return self.take(limit)

    async def read_exactly(self, size: int, seconds: float) -> bytes:
        while len(self.buffer) < size:
            if not await self.more(seconds):
                raise ConnectionResetError
        return self.take(size)

    def take(self, limit: int) -> bytes:
        """What is there already, at most `limit` bytes."""
        if limit >= len(self.buffer):
            taken = bytes(self.buffer)
            self.buffer.clear()
        else:
            taken = bytes(self.buffer[:limit])
            del self.buffer[:limit]
        if self._is_reading_paused and len(self.buffer) <= ROOM:
            self._is_reading_paused = False
            if not self.lost:
                self.transport.resume_reading()
        return taken

    async def more(self, seconds: float) -> bool:
        """Wait until more has come; False when nothing more will."""
        if self.ended:
            return False
        known = len(self.buffer)
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._deadlines.wait(self._reader, seconds)
        finally:
            self._reader = None
        return len(self.buffer) > known

    def _skip_empty_lines(self) -> None:
        """Some clients send one after a body."""
        while self.buffer.startswith(b"\r\n"):
            del self.buffer[:2]

    # --- writing ---

    def write(self, data: bytes) -> None:
        if self.lost:
            raise ConnectionResetError
        self.sent += len(data)
        self.transport.write(data)

    async def drain(self, seconds: float) -> None:
        """Wait until the other side has taken most of what was written."""
        while self._is_writing_paused and not self.lost:
            self._writer = asyncio.get_running_loop().create_future()
            try:
                await self._deadlines.wait(self._writer, seconds)
            finally:
                self._writer = None
        if self.lost:
            raise ConnectionResetError

    def end_writing(self) -> None:
        if not self.lost and self.transport.can_write_eof():
            self.transport.write_eof()


class Application(Peer):
    """The application. One that refuses a body answers and hangs up, and we find out by writing."""

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, OSError):
            self._read_rest()
        super().connection_lost(exc)

    def _read_rest(self) -> None:
        """Its answer may still lie in the socket, which is closed when we return."""
        socket = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            while len(self.buffer) < FULL and (piece := os.read(socket.fileno(), ROOM)):
                self.has_spoken = True
                self.buffer += piece


def _wake(future: "asyncio.Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _check_head(buffer: bytearray, scanned: int) -> None:
    if len(buffer) > HEAD_LIMIT:
        raise Refused(400, "The header is too large.")
    if _BARE_LINE_END.search(buffer, max(0, scanned - 1)):
        raise Refused(400, "Lines must end with CR and LF.")
