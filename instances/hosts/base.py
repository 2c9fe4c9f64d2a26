"""Where commands run: the few primitives that are the same for this machine and for SSH."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class HostError(Exception):
    """The host could not be asked; whether a command ran is not known. Trying again is safe."""


class HostTimeout(HostError):
    """A short command did not end in its time; it was killed."""


class HostRefused(HostError):
    """Asking again cannot help before somebody has done something. `code` names a sentence in failures.py."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class StaleFence(HostError):
    """A newer worker has taken over this key on the host; the caller must stop at once."""


# The exit code reported for a job that began and can no longer end: its runner was killed or the
# host restarted.
LOST = -1


@dataclass(frozen=True)
class Result:
    """What a short command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True)
class JobState:
    """The next piece of a job's output, and its exit code once it has ended.

    `code` is only given together with the last piece, so a reader who stops at the first code
    has read everything.
    """

    output: bytes
    code: int | None


class Host(Protocol):
    """A place where commands run. No method waits longer than its deadline.

    Paths given to `put`, `read` and `remove` are relative to `root`, the portal's own folder on
    that host. Every method may be repeated.
    """

    root: str

    def call(self, argv: Sequence[str], *, input: bytes = b"", timeout: float = 10) -> Result:
        """Run a short command to its end. Never a shell: `argv` is quoted where the host needs it."""

    def put(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Write a file at once (temporary name, then rename), with its folders."""

    def read(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        """Return the file's first `limit` bytes, or None when it is not there."""

    def remove(self, path: str) -> None:
        """Remove a file or folder; nothing happens when it is not there."""

    def start_job(self, id: str, script: str, *, fence: tuple[str, int] | None = None) -> None:
        """Run a shell script detached from us, in its own process group; a no-op when the job exists.

        With a fence (key, number) the job only begins when no higher number was seen for that key.
        """

    def poll_job(self, id: str, offset: int, *, limit: int = 1 << 18) -> JobState:
        """Read a job's output from `offset` on. Raises KeyError when there is no such job."""

    def stop_job(self, id: str, *, grace: float = 5) -> None:
        """End a job and all its processes: asked first, killed after `grace` seconds. Returns at once."""

    def forget_job(self, id: str) -> None:
        """Remove what is kept of a job that ended."""

    def connect(self, port: int, *, timeout: float) -> socket.socket:
        """Open a connection to a loopback port of the host. Raises OSError as the host itself would see it."""

    def free_port(self, port: int) -> bool:
        """Tell whether nothing on the host listens on this port."""
