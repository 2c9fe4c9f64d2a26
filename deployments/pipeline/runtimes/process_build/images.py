"""Where images lie: a folder each, under its final name from the start, and a pointer written last.

A virtual environment cannot be moved, so nothing is renamed at the end; an image is there once
its pointer is. A folder that no pointer names is left over from a build that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def safe_name(image: str) -> str:
    """A file name for an image: readable, never the same for two, and short.

    Applications put sockets below it, and their paths may have 107 characters at most.
    """
    application = image.rpartition(":")[0].rpartition("/")[2] or image
    return (
        re.sub(r"[^A-Za-z0-9-]+", "-", application)[:16]
        + "-"
        + hashlib.sha256(image.encode()).hexdigest()[:12]
    )


class Images:
    """The images below a host's root."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.folder = Path(root) / "images"

    def pointer(self, image: str) -> Path:
        return self.folder / f"{safe_name(image)}.json"

    def find(self, image: str) -> dict[str, Any] | None:
        """What is kept of an image; None when it is not there."""
        try:
            found: dict[str, Any] = json.loads(self.pointer(image).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return found if Path(found["folder"]).is_dir() else None

    def publish(self, image: str, description: dict[str, Any]) -> None:
        """From here on the image is there."""
        pointer = self.pointer(image)
        draft = pointer.with_suffix(f".{os.urandom(4).hex()}.new")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(description, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, pointer)

    def new_folder(self, image: str) -> Path:
        folder = self.folder / f"{safe_name(image)}.{os.urandom(3).hex()}"
        folder.mkdir(mode=0o700, parents=True)
        return folder

    @contextlib.contextmanager
    def lock(self, image: str, *, waiting: str = "") -> Iterator[bool]:
        """One at a time works on an image; the kernel lets go of the lock when its holder dies.

        With words for those who wait it is waited for; without, the answer may be that it is taken.
        """
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle = os.open(
            self.folder / f"{safe_name(image)}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not waiting:
                    yield False
                    return
                print(waiting, flush=True)
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield True
        finally:
            os.close(handle)

    def sweep(self, image: str) -> None:
        """Delete what killed builds and removed images left, unless a container stands on it. Needs the lock."""
        found = self.find(image)
        kept = {found["folder"] if found else "", *self._in_use()}
        for folder in self.folder.glob(f"{safe_name(image)}.*"):
            if folder.is_dir() and str(folder) not in kept:
                delete(str(folder))

    def clear_up(self, image: str) -> None:
        """Sweep, unless a build of the image is under way; the next one sweeps too."""
        # The lock file stays: another builder may be waiting at it.
        with self.lock(image) as locked:
            if locked:
                self.sweep(image)

    def remove(self, image: str) -> None:
        """Take an image away; its folder stays as long as a container stands on it."""
        self.pointer(image).unlink(missing_ok=True)
        self.clear_up(image)

    def _in_use(self) -> set[str]:
        folders = set()
        for spec in Path(self.root).glob("containers/*/spec.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                folders.add(json.loads(spec.read_text())["folder"])
        return folders


def delete(folder: str) -> None:
    """Delete a folder, also where a build took the right to write away."""
    if not os.path.isdir(folder) or os.path.islink(folder):
        return
    for inner, names, _ in os.walk(folder):
        for name in names:
            path = os.path.join(inner, name)
            if not os.path.islink(path) and not os.access(path, os.W_OK | os.X_OK):
                with contextlib.suppress(OSError):
                    os.chmod(path, stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
