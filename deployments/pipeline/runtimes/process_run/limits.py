"""What a container may use.

A limit on the address space would end every program that maps large files or starts threads, as
machine-learning libraries do, and control groups are not ours to change on every machine. So the
supervisor watches the memory really used; the limit on data here only stops a sudden burst between
two of its looks.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import zlib
from pathlib import Path

MOST_PROCESSES = 512
MOST_FILES = 65536
BURST_BYTES = 1 << 30


def apply(*, memory_mb: int, cpus: float, name: str, own_user: bool) -> None:
    """Set the limits of this process, which its children inherit."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_NOFILE, MOST_FILES)
    _set(resource.RLIMIT_DATA, 4 * memory_mb * (1 << 20) + BURST_BYTES)
    if own_user:
        # Counted per user: on the portal's own user it would count the portal's processes too.
        _set(resource.RLIMIT_NPROC, MOST_PROCESSES)
    _share_processors(cpus, name)
    with contextlib.suppress(OSError):
        # When the machine runs out of memory, an application ends before the portal does.
        Path("/proc/self/oom_score_adj").write_text("500")


def _set(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (value, value))


def _share_processors(cpus: float, name: str) -> None:
    """Whole processors only: as many as the limit rounded up, spread over the machine by name."""
    available = sorted(os.sched_getaffinity(0))
    count = max(1, math.ceil(cpus))
    if count >= len(available):
        return
    first = zlib.crc32(name.encode())
    os.sched_setaffinity(0, {available[(first + step) % len(available)] for step in range(count)})
