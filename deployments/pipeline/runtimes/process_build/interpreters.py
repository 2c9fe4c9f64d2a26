"""Finds the Python that an image asks for among those of this machine."""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.pipeline.runtimes.process_build.identity import becoming

PROBE = """
import json, os, ssl, sys, venv, zlib
wheels = []
try:
    import ensurepip
    for folder in (os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"), getattr(ensurepip, "_WHEEL_PKG_DIR", None)):
        if folder and os.path.isdir(folder):
            wheels += [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".whl")]
except ImportError:
    pass
print(json.dumps({"version": list(sys.version_info[:3]), "path": os.path.realpath(sys._base_executable),
                  "prefix": sys.base_prefix, "wheels": wheels}))
"""
PROBE_SECONDS = 10
# Older ones can be used for an image, but cannot run this program.
TOOL_VERSION = (3, 10)
PLACES = (
    "/usr/local/bin/python{}", "/usr/bin/python{}", "/opt/python{}*/bin/python{}", "/opt/python/{}*/bin/python{}",
    "~/.pyenv/versions/{}.*/bin/python{}", "~/.local/share/uv/python/cpython-{}.*/bin/python{}", "~/.local/bin/python{}",
)  # fmt: skip


@dataclass(frozen=True)
class Interpreter:
    """A Python of this machine."""

    path: str
    version: tuple[int, int, int]
    prefix: str
    wheels: tuple[str, ...]

    @property
    def minor(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"


@dataclass(frozen=True)
class Choice:
    """With which Python an image is made, with which one this program goes on, and as whom."""

    interpreter: Interpreter
    tool: Interpreter
    uid: int | None
    warnings: tuple[str, ...]


class NoInterpreter(Exception):
    """There is no usable Python at all."""


def choose(version: str, *, own: str, uid: int | None) -> Choice:
    """The Python of that minor version, or the portal's own with a warning."""
    candidates = list(_candidates(version, own))
    for user in [uid, None] if uid is not None else [None]:
        usable = [found for path in candidates if (found := probe(path, user))]
        tool = next((each for each in usable if each.version >= TOOL_VERSION), None)
        exact = next((each for each in usable if not version or each.minor == version), None)
        if tool and (exact or user is None):
            return Choice(
                exact or tool, tool, user, tuple(_warnings(version, exact, exact or tool, uid, user))
            )
        if tool and not _can_have(version, candidates):
            return Choice(tool, tool, user, tuple(_warnings(version, None, tool, uid, user)))
    raise NoInterpreter("No usable Python was found on this machine.")


def probe(path: str, uid: int | None) -> Interpreter | None:
    """Ask a Python who it is, as the user who will use it; None when it does not answer."""
    try:
        result = subprocess.run(
            [path, "-I", "-c", PROBE], capture_output=True, timeout=PROBE_SECONDS, preexec_fn=becoming(uid),
            env={"PATH": os.environ.get("PATH", "")}, cwd="/", check=True,
        )  # fmt: skip
        found = json.loads(result.stdout)
        first, second, third = found["version"]
        return Interpreter(found["path"], (first, second, third), found["prefix"], tuple(found["wheels"]))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


def _can_have(version: str, candidates: list[str]) -> bool:
    """Whether we ourselves could use that version, if not the application's user."""
    return any((found := probe(path, None)) and found.minor == version for path in candidates)


def _candidates(version: str, own: str) -> Iterator[str]:
    seen = set()
    for path in (own, *_places(version), *_places("3")):
        real = os.path.realpath(path)
        if real not in seen and os.access(real, os.X_OK):
            seen.add(real)
            yield path


def _places(version: str) -> Iterator[str]:
    """Paths of `python3.11`, in the usual places and on the PATH; wrappers that choose are left out."""
    if not re.fullmatch(r"3(\.\d+)?", version):
        return
    for place in PLACES:
        yield from sorted(glob.glob(os.path.expanduser(place.replace("{}", version))), reverse=True)
    for folder in os.environ.get("PATH", "").split(":"):
        path = os.path.join(folder, f"python{version}")
        if folder.startswith("/") and "shims" not in folder and os.path.exists(path):
            yield path


def _warnings(
    version: str, exact: Interpreter | None, used: Interpreter, wanted: int | None, uid: int | None
) -> Iterator[str]:
    if version and exact is None:
        yield f"python {version} is not on this machine; python {used.minor} is used instead."
    if wanted is not None and uid is None:
        yield (
            f"no other user may use {used.path}, so the application is built and run as the portal's user. "
            "Install that Python for all users to change it."
        )
