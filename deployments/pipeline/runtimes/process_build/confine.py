"""Keeps a program within its folders, by the kernel's Landlock where there is one."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULE_PATH_BENEATH = 1
SET_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE = 1 << 13, 1 << 14
# Making and removing entries of all kinds.
CHANGE = sum(1 << bit for bit in range(4, 13))
READING = EXECUTE | READ_FILE | READ_DIR
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
# Moving a file between folders came with the second version; without it too much would break.
OLDEST = 2

# What every program may write to.
SCRATCH = ("/tmp", "/var/tmp", "/dev")  # noqa: S108


class _Ruleset(ctypes.Structure):
    _fields_ = [("handled_access_fs", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The version of Landlock that this kernel speaks; 0 when it has none that is of use."""
    if not sys.platform.startswith("linux"):
        return 0
    found: int = _library().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    return found if found >= OLDEST else 0


def forbid_new_rights() -> None:
    """From now on no program started from here can gain rights, not even a setuid one."""
    _library().prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def confine(*, writable: Iterable[str], readable: Iterable[str]) -> bool:
    """Allow this process and its children to write and read only here; False where it cannot be done."""
    abi = version()
    if not abi:
        return False
    forbid_new_rights()
    writing = WRITE_FILE | CHANGE | REFER | (TRUNCATE if abi >= 3 else 0)
    attributes = _Ruleset(READING | writing)
    library = _library()
    ruleset = library.syscall(CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    if ruleset < 0:
        return False
    for path in readable:
        _allow(library, ruleset, path, READING)
    for path in (*writable, *SCRATCH):
        _allow(library, ruleset, path, READING | writing)
    restricted: int = library.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return restricted == 0


def all_but(private: Iterable[str]) -> list[str]:
    """The folders that together are the whole disk without these. Landlock can only allow, not forbid."""
    hidden = {os.path.realpath(path) for path in private} - {"/"}
    allowed: list[str] = []
    wanted = ["/"]
    while wanted:
        folder = wanted.pop()
        for name in _names(folder):
            path = os.path.join(folder, name)
            if path in hidden or os.path.islink(path):
                continue
            leads_there = any(each.startswith(path + "/") for each in hidden)
            (wanted if leads_there else allowed).append(path)
    return allowed


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _allow(library: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        # A file has no entries; naming rights on them would refuse the whole rule.
        allowed = rights if os.path.isdir(f"/proc/self/fd/{handle}") else rights & FILE_RIGHTS
        beneath = _PathBeneath(allowed, handle)
        library.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(beneath), 0)
    finally:
        os.close(handle)
