"""COPY and ADD: files from the checkout or from another stage into the image's root."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.pipeline.runtimes.process_build.ignore import Ignore, glob_pattern
from deployments.pipeline.runtimes.process_build.paths import Tree
from deployments.pipeline.runtimes.process_build.relocate import relocate_file, relocate_link

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


class CopyError(Exception):
    """A source is not there, or leads out of where it may come from."""


@dataclass(frozen=True)
class Source:
    """Where files come from: a folder, what of it is left out, and the stage it is, if it is one."""

    folder: str
    ignore: Ignore | None = None
    stage: Tree | None = None


def copy(
    source: Source, patterns: list[str], destination: str, tree: Tree, *, mode: int | None = None
) -> int:
    """Copy what the patterns name to a container path; returns how many files that were."""
    found = [path for pattern in patterns for path in _find(source, pattern)]
    into_folder = destination.endswith("/") or len(found) > 1 or len(patterns) > 1
    if destination.rpartition("/")[2] in (".", "..") or os.path.isdir(tree.resolve(destination)):
        into_folder = True
    if not into_folder:
        tree.claim(destination)
    copier = _Copier(source, tree, mode)
    for path in found:
        real = _real(source, path)
        if os.path.isdir(real):
            copier.folder(real, _inner_path(source, path), destination)
        else:
            target = posixpath.join(destination, posixpath.basename(path)) if into_folder else destination
            copier.file(real, target)
    return copier.count


def unpack(archive: str, destination: str, tree: Tree) -> bool:
    """Unpack a local archive as ADD does; False when it is none. Nothing in it can lead out."""
    if not archive.endswith(ARCHIVES) or not tarfile.is_tarfile(archive):
        return False
    folder = tree.resolve(destination)
    os.makedirs(folder, exist_ok=True)
    with tarfile.open(archive) as opened:
        if not hasattr(tarfile, "data_filter"):
            raise CopyError("This Python cannot unpack archives safely.")
        opened.extractall(folder, filter="data")
    return True


def _find(source: Source, pattern: str) -> list[str]:
    """The paths below the source that a pattern names, sorted; at least one."""
    path = posixpath.normpath("/" + pattern).lstrip("/")
    if not any(mark in path for mark in "*?["):
        real = _real(source, path)
        if not os.path.lexists(real) or (path and _is_ignored(source, path) and not os.path.isdir(real)):
            raise CopyError(f"{pattern} is not in the {'stage' if source.stage else 'repository'}.")
        return [path]
    matches = re.compile(glob_pattern(path) + r"\Z").match
    depth = None if "**" in path else path.count("/")
    found = sorted(each for each in _walk(source, depth) if matches(each) and not _is_ignored(source, each))
    if not found:
        raise CopyError(f"Nothing in the {'stage' if source.stage else 'repository'} matches {pattern}.")
    return found


def _walk(source: Source, depth: int | None) -> Iterator[str]:
    for folder, names, files in os.walk(source.folder):
        inner = os.path.relpath(folder, source.folder)
        prefix = "" if inner == "." else inner + "/"
        if depth is not None and prefix.count("/") >= depth:
            yield from (prefix + name for name in (*names, *files))
            names.clear()
            continue
        yield from (prefix + name for name in (*names, *files))


def _is_ignored(source: Source, path: str) -> bool:
    return source.ignore is not None and source.ignore.excludes(path)


def _real(source: Source, path: str) -> str:
    """Follow links as far as they stay within the source."""
    return Tree(source.folder).resolve(path)


def _inner_path(source: Source, path: str) -> str:
    """The path relative to the source with links followed, as the ignore rules name it."""
    return os.path.relpath(_real(source, path), source.folder)


class _Copier:
    """Copies one instruction's files; parents are resolved so that no link leads out of the image."""

    def __init__(self, source: Source, tree: Tree, mode: int | None) -> None:
        self.source = source
        self.tree = tree
        self.mode = mode
        self.count = 0

    def folder(self, real: str, inner: str, destination: str) -> None:
        """Copy what is in a folder, not the folder itself."""
        target = self.tree.resolve(destination)
        if os.path.lexists(target) and not os.path.isdir(target):
            raise CopyError(f"{destination} is a file; a folder cannot be copied over it.")
        os.makedirs(target, exist_ok=True)
        with os.scandir(real) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                path = entry.name if inner == "." else f"{inner}/{entry.name}"
                self._entry(entry, path, f"{destination.rstrip('/')}/{entry.name}")

    def _entry(self, entry: os.DirEntry[str], path: str, destination: str) -> None:
        ignored = _is_ignored(self.source, path)
        if entry.is_symlink():
            if not ignored:
                self._link(entry.path, destination)
        elif entry.is_dir():
            ignore = self.source.ignore
            if not ignored or (
                ignore is not None and ignore.has_exceptions and _holds_wanted(entry.path, path, ignore)
            ):
                self.folder(entry.path, path, destination)
                shutil.copymode(entry.path, self.tree.resolve(destination))
        elif entry.is_file() and not ignored:
            self.file(entry.path, destination)

    def file(self, real: str, destination: str) -> None:
        """Copy one file over whatever file is there."""
        if not stat.S_ISREG(os.stat(real).st_mode):
            raise CopyError(f"{destination} is neither a file nor a folder.")
        target = self.tree.resolve(destination)
        if os.path.isdir(target):
            raise CopyError(f"{destination} is a folder; a file cannot be copied over it.")
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if self.source.stage is not None and _is_interpreter(target):
            return
        # A new file, never a write into an old one: what is there may be a link or be running.
        draft = target + ".portal-copy"
        shutil.copy2(real, draft, follow_symlinks=False)
        if self.mode is not None:
            os.chmod(draft, self.mode)
        if self.source.stage is not None:
            relocate_file(draft, self.source.stage.root, self.tree.root)
        os.replace(draft, target)
        self.count += 1

    def _link(self, link: str, destination: str) -> None:
        """A link keeps its meaning: an absolute one, or one that climbs too high, points into the image."""
        parent = self.tree.resolve(posixpath.dirname(destination))
        target = f"{parent}/{posixpath.basename(destination)}"
        os.makedirs(parent, exist_ok=True)
        if self.source.stage is not None and _is_interpreter(target):
            return
        text = relocate_link(os.readlink(link), destination, self.source, self.tree)
        if os.path.lexists(target):
            if os.path.isdir(target) and not os.path.islink(target):
                raise CopyError(f"{destination} is a folder; a link cannot be copied over it.")
            os.unlink(target)
        os.symlink(text, target)
        self.count += 1


def _holds_wanted(folder: str, path: str, ignore: Ignore) -> bool:
    for inner, names, files in os.walk(folder):
        prefix = posixpath.normpath(f"{path}/{os.path.relpath(inner, folder)}")
        if any(not ignore.excludes(f"{prefix}/{name}") for name in (*names, *files)):
            return True
    return False


def _is_interpreter(target: str) -> bool:
    """The parts of a virtual environment that belong to one place and must not come from another stage."""
    folder, name = os.path.split(target)
    if name == "pyvenv.cfg":
        return os.path.exists(target)
    is_python = re.fullmatch(r"python(3(\.\d+)?)?", name) is not None
    return is_python and os.path.basename(folder) == "bin" and os.path.lexists(target)
