"""The host of a machine that is not there yet, or no longer."""

import socket
from collections.abc import Sequence
from typing import NoReturn

from instances.hosts.base import HostError, JobState, Result


class AbsentHost:
    """Every method says that there is nobody to ask."""

    root = "/var/lib/portal"

    def __init__(self, name: str) -> None:
        self.name = name

    def _raise(self) -> NoReturn:
        raise HostError(f"{self.name} has no address yet.")

    def call(self, argv: Sequence[str], *, input: bytes = b"", timeout: float = 10) -> Result:
        self._raise()

    def put(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        self._raise()

    def read(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        self._raise()

    def remove(self, path: str) -> None:
        self._raise()

    def start_job(self, id: str, script: str, *, fence: tuple[str, int] | None = None) -> None:
        self._raise()

    def poll_job(self, id: str, offset: int, *, limit: int = 1 << 18) -> JobState:
        self._raise()

    def stop_job(self, id: str, *, grace: float = 5) -> None:
        self._raise()

    def forget_job(self, id: str) -> None:
        self._raise()

    def connect(self, port: int, *, timeout: float) -> socket.socket:
        self._raise()

    def free_port(self, port: int) -> bool:
        self._raise()
