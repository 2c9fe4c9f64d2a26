"""What /proc tells: who belongs to a container, how much memory they use, where they listen."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path

LISTEN = "0A"


def boot() -> str:
    """A text that changes with each start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def born(pid: int) -> str:
    """When a process began, in ticks since the boot; empty when there is none (zombies count as none)."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] not in "ZX" else ""


def members(supervisor: int) -> list[int]:
    """The processes of a container: all that came from its supervisor, or that are in its session.

    The kernel gives a number to no new process as long as a session has it, so this also finds what
    a killed supervisor left behind.
    """
    parents: dict[int, int] = {}
    found: set[int] = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))) and fields[0] not in "ZX":
            parents[int(name)] = int(fields[1])
            if int(fields[3]) == supervisor:
                found.add(int(name))
    found |= {pid for pid in parents if supervisor in _ancestors(pid, parents)}
    return sorted(found - {supervisor})


def end(find: Callable[[], list[int]], *, seconds: float) -> bool:
    """Kill what `find` finds until it finds nothing more; False when time is up first."""
    deadline = time.monotonic() + seconds
    while pids := find():
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        _kill(pids[0], remaining)
        for pid in pids[1:]:
            _kill(pid, 0)
    return True


def _kill(pid: int, seconds: float) -> None:
    """Kill a process and wait for its end."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], seconds)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def memory(pids: Iterable[int], *, enough: int) -> int:
    """The memory of these processes in bytes. Shared pages count once, but only looked at when it matters."""
    pids = list(pids)
    rough = sum(_kilobytes(f"/proc/{pid}/status", "VmRSS") for pid in pids) * 1024
    if rough <= enough or len(pids) < 2:
        return rough
    exact = sum(_kilobytes(f"/proc/{pid}/smaps_rollup", "Pss") for pid in pids) * 1024
    return exact or rough


def listening(pids: Iterable[int]) -> list[str]:
    """The addresses on which these processes listen, such as `127.0.0.1:8000`."""
    owned = {inode for pid in pids for inode in _sockets(pid)}
    found = []
    for table, size in (("/proc/net/tcp", 4), ("/proc/net/tcp6", 16)):
        for row in _rows(table):
            if row[3] == LISTEN and row[9] in owned:
                found.append(_address(row[1], size))
    return sorted(set(found))


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _ancestors(pid: int, parents: dict[int, int]) -> Iterable[int]:
    seen = set()
    while pid in parents and pid not in seen:
        seen.add(pid)
        pid = parents[pid]
        yield pid


def _kilobytes(path: str, name: str) -> int:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", Path(path).read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


def _sockets(pid: int) -> Iterable[str]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def _rows(table: str) -> Iterable[list[str]]:
    try:
        return [line.split() for line in Path(table).read_text().splitlines()[1:]]
    except OSError:
        return []


def _address(text: str, size: int) -> str:
    host, _, port = text.partition(":")
    # The kernel prints words of four bytes in the byte order of the machine.
    raw = b"".join(struct.pack("=I", int(host[at : at + 8], 16)) for at in range(0, size * 2, 8))
    name = socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, raw)
    return f"{f'[{name}]' if size == 16 else name}:{int(port, 16)}"
