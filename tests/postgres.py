"""A PostgreSQL server for the tests, in a folder of its own and on a free port.

python -m tests.postgres COMMAND …   run a command with DATABASE_URL pointing to such a server
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.servers import free_port, required

START_SECONDS = 30


def tools() -> Path | None:
    """The folder of the newest server's programs; None when none is installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    return folders[-1] if folders else Path(found).parent if found else None


def installed() -> bool:
    return tools() is not None


class PostgresServer:
    """One server in a folder; `stop` and `start` keep its address and its data."""

    def __init__(self, folder: Path) -> None:
        found = tools()
        assert found is not None, "PostgreSQL is not installed"
        self.programs = found
        self.folder = folder
        self.port = free_port()
        self.url = f"postgres://portal@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        self._make()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_owner(), self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port),
                 "-k", self.folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        self._wait_for(self._process)

    def stop(self) -> None:
        """Stop without waiting for clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)
            self._process = None

    def _make(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, *_owner())
        subprocess.run(
            [*_as_owner(), self.programs / "initdb", "-D", self.folder / "data", "-U", "portal", "--auth=trust",
             "-E", "UTF8", "--no-sync"],
            check=True, capture_output=True, timeout=60, cwd=self.folder,
        )  # fmt: skip

    def _wait_for(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self.folder / "log").read_text()) from None
                time.sleep(0.05)


@contextmanager
def running() -> Iterator[PostgresServer]:
    """A server that a test may stop and start. Any other server is left alone."""
    # Not below pytest's folder, which the server's own user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="portal-postgres-"))
    try:
        server = PostgresServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server() -> Iterator[str]:
    """Start a server, give its DATABASE_URL, and stop it at the end."""
    with running() as started:
        yield started.url


def _owner() -> tuple[int, int]:
    """PostgreSQL refuses to run as root; its own user exists where it is installed."""
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def _as_owner() -> list[str]:
    if os.geteuid() != 0:
        return []
    user, group = _owner()
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]


def main() -> int:
    """Run the command given; without PostgreSQL say so, and fail only where it is required."""
    if not installed():
        print("PostgreSQL is not installed: its tests are not run.")
        return 1 if "postgres" in required() else 0
    with server() as url:
        return subprocess.run(sys.argv[1:], env={**os.environ, "DATABASE_URL": url}).returncode


if __name__ == "__main__":
    sys.exit(main())
