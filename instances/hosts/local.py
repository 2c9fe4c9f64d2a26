"""This machine as a host."""

import errno
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from instances.hosts import jobs, listening, local_jobs, paths, processes
from instances.hosts.base import HostError, HostRefused, JobState, Result

RUNNER_SECONDS = 10


class LocalHost:
    """Runs commands and jobs as the portal's own user, and keeps files below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self.root = str(self._root)
        with self._disk():
            for folder in ("", "jobs", "fences", "trash"):
                (self._root / folder).mkdir(mode=0o700 if folder else 0o755, parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f"LocalHost({self.root!r})"

    def call(self, argv: Sequence[str], *, input: bytes = b"", timeout: float = 10) -> Result:
        return processes.run(argv, input=input, timeout=timeout, folder=self.root)

    def put(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        with self._disk(), paths.open_parent(self._root, path, create=True) as (folder, name):
            _write(folder, name, content, mode)
            os.fsync(folder)

    def read(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        with self._disk():
            try:
                with paths.open_parent(self._root, path) as (folder, name):
                    file = paths.open_file(folder, name, path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            with os.fdopen(file, "rb") as stream:
                return stream.read(limit)

    def remove(self, path: str) -> None:
        gone = suppress(FileNotFoundError, NotADirectoryError)
        with self._disk(), gone, paths.open_parent(self._root, path) as (folder, name):
            try:
                os.unlink(name, dir_fd=folder)
            except (IsADirectoryError, PermissionError):
                self._throw_away(folder, name)

    def start_job(self, id: str, script: str, *, fence: tuple[str, int] | None = None) -> None:
        folder = self._job(id)
        begun = (folder / "started").exists()
        if begun and fence is None:
            return
        draft = f"script.{secrets.token_hex(6)}"
        command = jobs.start_command(self.root, id, draft, fence)
        if not begun:
            with self._disk():
                self._lay_out(folder, draft, script)
        self._runner(command, fence)

    def poll_job(self, id: str, offset: int, *, limit: int = 1 << 18) -> JobState:
        with self._disk():
            return local_jobs.poll(self._job(id), offset, limit)

    def stop_job(self, id: str, *, grace: float = 5) -> None:
        if (self._job(id) / "runner").exists():
            self._runner(jobs.stop_command(self.root, id, grace))

    def forget_job(self, id: str) -> None:
        folder = self._job(id)
        if not folder.exists():
            return
        with self._disk(), suppress(KeyError):
            if local_jobs.exit_code(folder) is None:
                raise HostError(f"The job {id} still runs; it must end before it is forgotten.")
        self.remove(f"jobs/{id}")
        self.remove(f"files/{id}")

    def connect(self, port: int, *, timeout: float) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), timeout=timeout)

    def free_port(self, port: int) -> bool:
        with self._disk():
            # The kernel may leave lines out of a table that changes while it is read.
            return not any(port in listening.ports() for _ in range(2))

    def _job(self, id: str) -> Path:
        return Path(jobs.folder(self.root, id))

    def _lay_out(self, folder: Path, draft: str, script: str) -> None:
        """Put in place what the runner needs to begin the job."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder, paths.FOLDER_FLAGS)
        try:
            _write(handle, draft, script.encode(), 0o600, sync=False)
            _write(handle, "runner", jobs.RUNNER.encode(), 0o600, sync=False)
        finally:
            os.close(handle)

    def _runner(self, command: list[str], fence: tuple[str, int] | None = None) -> None:
        jobs.check_outcome(self.call(command, timeout=RUNNER_SECONDS), fence)

    def _throw_away(self, folder: int, name: str) -> None:
        """Take a folder out of sight at once, and delete it behind our back: it may hold much."""
        trash = f"{time.time_ns()}-{secrets.token_hex(4)}"
        hidden = os.open(self._root / "trash", paths.FOLDER_FLAGS)
        try:
            os.rename(name, trash, src_dir_fd=folder, dst_dir_fd=hidden)
        finally:
            os.close(hidden)
        self._empty_trash()

    def _empty_trash(self) -> None:
        """Delete what lies there, also from times when we were killed in between.

        Some tools leave folders behind that even their owner may not write to.
        """
        script = 'cd "$1" && chmod -R u+rwX . && rm -rf -- *'
        self.call(["setsid", "-f", "sh", "-c", script, "sh", f"{self.root}/trash"])

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Say what the disk refused in words that somebody can act on."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                free = shutil.disk_usage(self._root).free >> 20
                raise HostRefused(
                    "disk_full", f"No space left on the disk below {self.root} ({free} MiB free)."
                ) from error
            raise HostError(f"{error.strerror}: {error.filename or self.root}.") from error


def _write(folder: int, name: str, content: bytes, mode: int, *, sync: bool = True) -> None:
    """Write a file under another name, closed to others until it is whole, then rename it."""
    draft = f".{name[:200]}.{secrets.token_hex(6)}"
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with os.fdopen(file, "wb") as stream:
            os.fchmod(file, mode)
            stream.write(content)
            stream.flush()
            if sync:
                os.fsync(file)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise
