"""One line of JSON per request, kept in a few files of limited size."""

import json
import time
from pathlib import Path
from typing import Any

SIZE_LIMIT = 10 * 1024 * 1024
KEPT = 5


class AccessLog:
    """Collects lines, and writes them when asked to: a few times a second."""

    def __init__(self, path: Path, *, size_limit: int = SIZE_LIMIT, kept: int = KEPT) -> None:
        self.path, self.size_limit, self.kept = path, size_limit, kept
        self._lines: list[str] = []
        self._size = path.stat().st_size if path.exists() else 0
        self.dropped = 0

    def add(self, **facts: Any) -> None:
        self._lines.append(json.dumps({"at": round(time.time(), 3), **facts}, separators=(",", ":")))

    def flush(self) -> None:
        """Write what was collected. A full disk costs lines, never a request."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        text = "\n".join(lines) + "\n"
        try:
            if self._size >= self.size_limit:
                self._rotate()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
            self._size += len(text)
        except OSError:
            self.dropped += len(lines)

    def _rotate(self) -> None:
        for number in range(self.kept - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))
        self._numbered(self.kept).unlink(missing_ok=True)
        self._size = 0

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
