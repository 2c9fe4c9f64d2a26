"""Paths as the Dockerfile means them, and where they really are: below the image's own root."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator

MAX_LINKS = 40
MAX_SHARED_DEPTH = 4
# Folders that are the image's own from the first line on.
OWN = (
    "/app", "/apps", "/build", "/code", "/data", "/home", "/install", "/media", "/mnt", "/model", "/models", "/opt", "/root",
    "/run", "/src", "/srv", "/tmp",  # noqa: S108
    "/usr/local", "/usr/src", "/var", "/venv", "/wheels", "/work", "/workdir", "/workspace",
)  # fmt: skip
# Folders that an image shares with the machine, but for what it has put there itself.
SHARED = ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "sys", "usr")
BEFORE = r"(?<![\w.~/$)}\]\\-])"
AFTER = r"(?=$|[/\s\"'`:;,&|()<>=*?\\\]}])"
# A bare slash means the image's root only where it is plainly a folder.
BARE = re.compile(r"(\b(?:cd|chmod|cp|du|find|ls|mkdir|mv|rm)\s+(?:-\S+\s+)*)/(?=\s|;|&|$)")


class EscapeError(ValueError):
    """A path has too many links to be followed."""


class Tree:
    """The root of one image (or of one stage of a build)."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.claimed: set[str] = set()

    def resolve(self, path: str) -> str:
        """Where a container path really is. Links are followed as inside a container: none leads out."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        current: list[str] = []
        links = 0
        while parts:
            part = parts.pop(0)
            if part == "..":
                current = current[:-1]
                continue
            here = self._join([*current, part])
            if not os.path.islink(here):
                current.append(part)
                continue
            links += 1
            if links > MAX_LINKS:
                raise EscapeError(f"{path} has too many links.")
            target = self.inner(os.readlink(here))
            if target.startswith("/"):
                current = []
            parts = [each for each in target.split("/") if each not in ("", ".")] + parts
        return self._join(current)

    def inner(self, target: str) -> str:
        """A path below our root as the container would name it; any other stays as it is."""
        if target == self.root or target.startswith(self.root + "/"):
            return target[len(self.root) :] or "/"
        return target

    def claim(self, path: str) -> None:
        """From now on this container path is the image's own, wherever it is named."""
        path = posixpath.normpath(path)
        top = path.split("/")[1] if path.startswith("/") else ""
        if top in ("", "dev", "proc", "sys") or path.startswith("//"):
            return
        self.claimed.add(path if top in SHARED else f"/{top}")

    def rewrite(self, text: str) -> str:
        """Lead every path that is the image's own below its root."""
        pattern = self._pattern()
        text = pattern.sub(lambda found: self.root + found.group(), text)
        return BARE.sub(lambda found: f"{found.group(1)}{self.root}/", text)

    def rewrite_search_path(self, value: str) -> str:
        """A PATH in which each folder is looked for in the image first, then on the machine."""
        folders: list[str] = []
        for folder in value.split(":"):
            if folder.startswith("/"):
                folders.append(self.root + folder)
                if not self._pattern().match(folder):
                    folders.append(folder)
        return ":".join(dict.fromkeys(folders))

    def _join(self, parts: Iterable[str]) -> str:
        return "/".join([self.root, *parts])

    def _pattern(self) -> re.Pattern[str]:
        own = {*OWN, *self.claimed, *self._present()}
        words = "|".join(re.escape(path) for path in sorted(own, key=len, reverse=True))
        return re.compile(f"{BEFORE}(?:{words}){AFTER}")

    def _present(self) -> Iterator[str]:
        """What the image has put there: top folders, and what lies in those that it shares."""
        for name in _entries(self.root):
            if name in SHARED:
                yield from self._added(f"/{name}", depth=0)
            else:
                yield f"/{name}"

    def _added(self, folder: str, depth: int) -> Iterator[str]:
        """What the image has in a shared folder; a folder that the machine has too is shared as well."""
        for name in _entries(self.root + folder):
            path = f"{folder}/{name}"
            if depth < MAX_SHARED_DEPTH and os.path.isdir(path) and not os.path.islink(self.root + path):
                yield from self._added(path, depth + 1)
            else:
                yield path


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
