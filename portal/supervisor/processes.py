"""Small tools around processes: tie their lives to ours, end whole groups, wait for signals. Knows no Django."""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
OUR_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
STOP_SIGNALS = OUR_SIGNALS - {signal.SIGCHLD}
PROC = Path("/proc")

# Loaded once, before any fork: a child should do as little as possible between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(how: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel end this process when its parent ends, however that happens."""
    if hasattr(_libc, "prctl"):
        _libc.prctl(PR_SET_PDEATHSIG, int(how), 0, 0, 0)


def block_signals() -> None:
    """From now on signals wait until `next_signal` takes them, so that none comes at a bad moment."""
    signal.pthread_sigmask(signal.SIG_BLOCK, OUR_SIGNALS)


def unblock_signals() -> None:
    """In a child: what the parent blocked would otherwise stay blocked."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OUR_SIGNALS)


def next_signal(seconds: float) -> int | None:
    """Wait for the next signal; None when none came in time."""
    info = signal.sigtimedwait(OUR_SIGNALS, max(0.0, seconds))
    return info.si_signo if info else None


def begin_child(parent: int, how: signal.Signals) -> None:
    """What every child of ours does first: own session, our signals, and an end together with us."""
    os.setsid()
    die_with_parent(how)
    unblock_signals()
    if os.getppid() != parent:
        # We were killed between the fork and the line above.
        os._exit(1)


def exit_code(status: int) -> int:
    """The exit code of a wait status; minus the number of the signal that ended it."""
    return os.waitstatus_to_exitcode(status)


def reap(pid: int) -> int | None:
    """The exit code of a child that has ended; None while it lives."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return exit_code(status) if found else None


def wait_until(ended: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition that a signal (a child's end) may change; False when time is up or we must hurry."""
    deadline = time.monotonic() + seconds
    while not ended():
        left = deadline - time.monotonic()
        if left <= 0 or next_signal(min(left, 0.5)) in STOP_SIGNALS:
            return ended()
    return True


def signal_group(group: int, what: signal.Signals) -> None:
    """Send a signal to all processes of a group; nothing happens when there are none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, what)


@dataclass(frozen=True)
class Process:
    """A process as the kernel lists it. Its start time tells it from a later one with the same id."""

    pid: int
    state: str
    parent: int
    group: int
    started: int


def look_at(pid: int) -> Process | None:
    """Read one process; None when it is gone or dead."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name stands in brackets and may itself contain some.
    fields = text.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Process(pid, fields[0], int(fields[1]), int(fields[2]), int(fields[19]))


def members(group: int) -> list[Process]:
    """The living processes of a group."""
    return [process for process in all_processes() if process.group == group]


def all_processes() -> Iterable[Process]:
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (process := look_at(int(entry.name))):
            yield process


def memory_kb(pid: int) -> int:
    """The process's share of memory (PSS): pages shared by n processes count as an n-th."""
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
