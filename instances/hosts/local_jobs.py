"""What the folder of a job on this machine tells about it."""

import fcntl
import os
from pathlib import Path

from instances.hosts.base import LOST, JobState


def poll(folder: Path, offset: int, limit: int) -> JobState:
    """The next piece of output. Whether it ended is looked at first: afterwards nothing is added."""
    code = exit_code(folder)
    piece, at_end = _read_log(folder, offset, limit)
    return JobState(piece, code if at_end else None)


def exit_code(folder: Path) -> int | None:
    """How the job ended; None while it runs, KeyError when it was never begun."""
    code = _written_code(folder)
    if code is not None or _is_locked(folder):
        return code
    # Nobody holds the lock: whatever the runner wrote before it let go can be seen now.
    code = _written_code(folder)
    if code is not None:
        return code
    if not (folder / "started").exists():
        raise KeyError(folder.name)
    # The runner was killed. Its script may still be at work, and then the job has not ended.
    return None if _group_lives(folder) else LOST


def _written_code(folder: Path) -> int | None:
    try:
        return int((folder / "exit").read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        # The machine lost its power before the file reached the disk.
        return LOST


def _is_locked(folder: Path) -> bool:
    try:
        lock = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _group_lives(folder: Path) -> bool:
    """Whether a process of the script's group is there, zombies aside. Rarely asked, so it may scan."""
    try:
        group, _, boot = (folder / "pgid").read_text().split()
    except (FileNotFoundError, ValueError):
        return False
    if boot != Path("/proc/sys/kernel/random/boot_id").read_text().strip():
        return False
    return any(_belongs(entry, group) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _belongs(process: Path, group: str) -> bool:
    try:
        state, _, its_group = (process / "stat").read_text().rpartition(") ")[2].split()[:3]
    except (OSError, ValueError):
        return False
    return its_group == group and state != "Z"


def _read_log(folder: Path, offset: int, limit: int) -> tuple[bytes, bool]:
    """A piece of the log, and whether it reaches the end."""
    try:
        log = os.open(folder / "log", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b"", True
    try:
        piece = os.pread(log, limit, offset)
        return piece, offset + len(piece) >= os.fstat(log).st_size
    finally:
        os.close(log)
