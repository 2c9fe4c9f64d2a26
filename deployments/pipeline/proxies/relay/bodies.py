"""Bodies as they are framed: by a length, in chunks, or by the end of the connection."""

import re
from typing import Protocol

from deployments.pipeline.proxies.relay.streams import Peer

PIECE = 64 * 1024
LINE_LIMIT = 1024
TRAILER_LINES = 64

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")


class Body(Protocol):
    """A body that is read piece by piece."""

    async def read(self) -> bytes:
        """The next piece; b"" at the end. ConnectionResetError when it is cut off, ValueError when malformed."""


class SizedBody:
    """A body of known length."""

    def __init__(self, peer: Peer, length: int, seconds: float) -> None:
        self.peer, self.left, self.seconds = peer, length, seconds

    async def read(self) -> bytes:
        if not self.left:
            return b""
        piece = await self.peer.read_some(min(self.left, PIECE), self.seconds)
        if not piece:
            raise ConnectionResetError
        self.left -= len(piece)
        return piece


class ChunkedBody:
    """A body in chunks; what follows the last one is dropped."""

    def __init__(self, peer: Peer, seconds: float) -> None:
        self.peer, self.seconds = peer, seconds
        self.left = 0
        self.is_first = True
        self.is_over = False

    async def read(self) -> bytes:
        if not self.left and not self.is_over:
            await self._next_chunk()
        if self.is_over:
            return b""
        piece = await self.peer.read_some(min(self.left, PIECE), self.seconds)
        if not piece:
            raise ConnectionResetError
        self.left -= len(piece)
        return piece

    async def _next_chunk(self) -> None:
        if not self.is_first and await self.peer.read_exactly(2, self.seconds) != b"\r\n":
            raise ValueError("A chunk is longer than it said.")
        self.is_first = False
        size = _CHUNK_SIZE.fullmatch(await self.peer.read_line(LINE_LIMIT, self.seconds))
        if size is None:
            raise ValueError("The size of a chunk is malformed.")
        self.left = int(size[1], 16)
        if not self.left:
            await self._skip_trailers()
            self.is_over = True

    async def _skip_trailers(self) -> None:
        for _ in range(TRAILER_LINES):
            if not await self.peer.read_line(LINE_LIMIT, self.seconds):
                return
        raise ValueError("There are too many trailers.")


class OpenBody:
    """A body that lasts as long as the connection."""

    def __init__(self, peer: Peer, seconds: float) -> None:
        self.peer, self.seconds = peer, seconds

    async def read(self) -> bytes:
        return await self.peer.read_some(PIECE, self.seconds)


async def pass_on(body: Body, target: Peer, seconds: float, *, chunked: bool) -> None:
    """Send a body on as it comes, no faster than the target takes it."""
    while piece := await body.read():
        target.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        await target.drain(seconds)
    if chunked:
        target.write(b"0\r\n\r\n")
