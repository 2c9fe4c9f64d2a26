"""A small WebSocket client that costs little, so that a measurement shows the server."""

import asyncio
import base64
import os
import struct
from typing import Any


class Refused(Exception):
    """The server did not open the socket."""


class Closed(Exception):
    """The server closed the socket, with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Socket:
    """One connection; speaks text frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, path: str, **headers: str) -> "Socket":
        """Open a socket; headers are given with underscores instead of hyphens."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
        ]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        try:
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), timeout=30)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Refused("no answer") from error
        if b" 101 " not in answer.split(b"\r\n", 1)[0]:
            writer.close()
            raise Refused(answer.split(b"\r\n", 1)[0].decode())
        return cls(reader, writer)

    async def receive(self) -> bytes:
        """The next text; raises Closed at the end."""
        while True:
            try:
                first, second = await self._reader.readexactly(2)
                size = second & 0x7F
                if size == 126:
                    (size,) = struct.unpack(">H", await self._reader.readexactly(2))
                elif size == 127:
                    (size,) = struct.unpack(">Q", await self._reader.readexactly(8))
                payload = await self._reader.readexactly(size)
            except (asyncio.IncompleteReadError, OSError) as error:
                raise Closed(1006) from error
            kind = first & 0x0F
            if kind == 8:
                raise Closed(struct.unpack(">H", payload[:2])[0] if payload else 1005)
            if kind == 9:
                self._send(10, payload)
            elif kind in (1, 2):
                return payload

    def send(self, text: str) -> None:
        self._send(1, text.encode())

    def send_bytes(self, data: bytes) -> None:
        self._send(2, data)

    def acknowledge(self, number: Any) -> None:
        self.send(f'{{"type":"ack","seq":{number}}}')

    def cut(self) -> None:
        """Let go without a word, as a network does."""
        self._writer.transport.abort()

    def _send(self, kind: int, payload: bytes) -> None:
        size = len(payload)
        head = bytes([0x80 | kind])
        if size < 126:
            head += bytes([0x80 | size])
        else:
            head += b"\xfe" + struct.pack(">H", size) if size < 1 << 16 else b"\xff" + struct.pack(">Q", size)
        # The mask of zeros is a mask as well.
        self._writer.write(head + b"\0\0\0\0" + payload)
