"""Files below a host's root, reached step by step so that no link leads out of it.

A checkout comes from a stranger: its `Dockerfile` may be a link to our secret key.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def split_path(path: str) -> list[str]:
    """The parts of a path relative to the root; refuses one that leads anywhere else."""
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r} is not a plain path below the host's root.")
    return parts


@contextmanager
def open_parent(root: Path, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
    """Open the folder in which `path` lies, and give its descriptor with the last name."""
    *folders, name = split_path(path)
    current = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            inner = _enter(current, folder, path, create=create)
            os.close(current)
            current = inner
        yield current, name
    finally:
        os.close(current)


def open_file(folder: int, name: str, path: str) -> int:
    """Open a regular file for reading; refuses links, pipes and devices."""
    try:
        # Opening a pipe that nobody writes to would wait for ever.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError(f"{path!r} is a symbolic link.") from error
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise ValueError(f"{path!r} is not a regular file.")
    return file


def _enter(parent: int, folder: str, path: str, *, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(folder, 0o755, dir_fd=parent)
    try:
        return os.open(folder, FOLDER_FLAGS, dir_fd=parent)
    except NotADirectoryError as error:
        if stat.S_ISLNK(os.stat(folder, dir_fd=parent, follow_symlinks=False).st_mode):
            raise ValueError(f"{path!r} leads through a symbolic link.") from error
        raise
