"""A channel to a port, dressed as the socket that HTTP clients expect."""

import io
import socket
import threading
from typing import TYPE_CHECKING

import paramiko

if TYPE_CHECKING:
    from typing_extensions import Buffer


class ChannelSocket:
    """What `http.client` and friends use of a socket, on a channel."""

    def __init__(self, channel: paramiko.Channel, timeout: float | None) -> None:
        self._channel = channel
        self._files = 0
        self._closed = False
        self._lock = threading.Lock()
        channel.settimeout(timeout)

    def __enter__(self) -> "ChannelSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def settimeout(self, seconds: float | None) -> None:
        self._channel.settimeout(seconds)

    def gettimeout(self) -> float | None:
        return self._channel.gettimeout()

    def fileno(self) -> int:
        return self._channel.fileno()

    def send(self, data: bytes) -> int:
        return self._channel.send(bytes(data))

    def sendall(self, data: bytes) -> None:
        self._channel.sendall(bytes(data))

    def recv(self, size: int) -> bytes:
        return self._channel.recv(size)

    def recv_into(self, buffer: memoryview) -> int:
        piece = self._channel.recv(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def shutdown(self, how: int) -> None:
        if how != socket.SHUT_RD:
            self._channel.shutdown_write()

    def makefile(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader | io.BufferedWriter:
        """A buffered file; the channel stays open until the files made of it are closed as well."""
        with self._lock:
            self._files += 1
        size = buffering if buffering > 0 else io.DEFAULT_BUFFER_SIZE
        raw = _ChannelFile(self)
        return io.BufferedWriter(raw, size) if "w" in mode else io.BufferedReader(raw, size)

    def close(self) -> None:
        self._closed = True
        self._close_when_unused()

    def file_closed(self) -> None:
        with self._lock:
            self._files -= 1
        self._close_when_unused()

    def _close_when_unused(self) -> None:
        if self._closed and self._files <= 0:
            self._channel.close()


class _ChannelFile(io.RawIOBase):
    def __init__(self, owner: ChannelSocket) -> None:
        self._owner = owner

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer") -> int:
        return self._owner.recv_into(memoryview(buffer))

    def write(self, data: "Buffer") -> int:
        return self._owner.send(bytes(data))

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._owner.file_closed()
