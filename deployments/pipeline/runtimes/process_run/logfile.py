"""What a container wrote: two files of a limited size, the older one dropped when the newer is full."""

from __future__ import annotations

import os
from pathlib import Path

LIMIT = 10 << 20
TAIL_LIMIT = 256 * 1024


class LogFile:
    """Appends to `log`; when it is full it becomes `log.1`."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.path = folder / "log"
        self.limit = limit
        self._open()

    def write(self, piece: bytes) -> None:
        """Keep a piece. A full disk must not end the application, so nothing is raised."""
        try:
            if self.size + len(piece) > self.limit:
                os.close(self.handle)
                os.replace(self.path, self.path.with_name("log.1"))
                self._open()
            self.size += os.write(self.handle, piece)
        except OSError:
            return

    def say(self, text: str) -> None:
        self.write(f"[portal] {text}\n".encode(errors="replace"))

    def _open(self) -> None:
        self.handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self.handle).st_size


def tail(folder: Path, lines: int) -> bytes:
    """The last lines of both files together."""
    text = b""
    for name in ("log", "log.1"):
        text = _end_of(folder / name, TAIL_LIMIT - len(text)) + text
        if text.count(b"\n") > lines or len(text) >= TAIL_LIMIT:
            break
    return b"".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else b""


def _end_of(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit))
            return file.read(limit)
    except FileNotFoundError:
        return b""
