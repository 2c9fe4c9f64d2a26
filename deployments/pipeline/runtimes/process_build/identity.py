"""As whom an application is built and run: as its own user where we are root, else as ours."""

from __future__ import annotations

import ctypes
import os
import zlib
from collections.abc import Callable

FIRST_UID = 200_000
# Ends below the numbers that containers of systemd and user namespaces take.
UIDS = 300_000
SET_PARENT_DEATH_SIGNAL = 1
DROP_FROM_BOUNDING_SET = 24
CAPABILITY_VERSION = 0x20080522


def uid_for(image: str) -> int:
    """The user of an application: the same for all its images, another for each other application."""
    repository = image.rpartition(":")[0] or image
    return FIRST_UID + zlib.crc32(repository.encode()) % UIDS


def reaches(uid: int, path: str) -> bool:
    """Whether that user may pass through every folder above; a home folder is often closed to others."""
    above = os.path.dirname(os.path.realpath(path))
    while True:
        status = os.stat(above)
        if not status.st_mode & (0o100 if status.st_uid == uid else 0o001):
            return False
        if above == "/":
            return True
        above = os.path.dirname(above)


def become(uid: int | None) -> None:
    """Give up being root for good; where there is no other user, at least all that root may do."""
    if uid is None:
        if os.geteuid() == 0:
            _drop_capabilities()
        return
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _drop_capabilities() -> None:
    """What is left is a user who owns the portal's files, and Landlock keeps him from those."""
    library = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        library.prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    if library.capset(ctypes.byref(header), ctypes.byref(none)) != 0:
        raise OSError(ctypes.get_errno(), "the rights of root could not be given up")


def becoming(uid: int | None) -> Callable[[], None]:
    """The same, for a child between fork and exec."""
    return lambda: become(uid)


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this signal to us when our parent ends, however it ends."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal_number, 0, 0, 0)


def give(path: str, uid: int | None) -> None:
    """Hand a folder with all that is in it to the application's user; links are not followed."""
    if uid is None:
        return
    os.lchown(path, uid, uid)
    for folder, names, files in os.walk(path):
        for name in (*names, *files):
            os.lchown(os.path.join(folder, name), uid, uid)
