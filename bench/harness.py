"""A portal of its own for a measurement or a test: a temporary folder, a database, real processes."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
POSTGRES_PLACES = ("/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for_port(port: int, process: "subprocess.Popen[Any]", timeout: float = 30) -> None:
    """Wait until something listens there; say so when its process has ended instead."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def stop(process: "subprocess.Popen[Any]", how: int = signal.SIGTERM) -> None:
    """End a process that we started, and wait for it."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


class Portal:
    """A folder with a database, and the processes that were started on it."""

    def __init__(self, *, database_url: str = "", redis_url: str = "", asgi: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="portal-bench-"))
        self.port = free_port()
        self.asgi = asgi
        self.processes: list[subprocess.Popen[Any]] = []
        self.env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "DJANGO_SETTINGS_MODULE": "bench.settings",
            "PORTAL_DATA_DIR": str(self.folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "LOG_LEVEL": "WARNING",
            "DEBUG": "0",
        }
        if not database_url:
            del self.env["DATABASE_URL"]

    def __enter__(self) -> "Portal":
        self.run("manage.py", "migrate", "--run-syncdb", "-v0")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *arguments: str, timeout: float = 120) -> str:
        """Run a Python program of the portal to its end."""
        command = [sys.executable, *arguments]
        result = subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=timeout, check=False
        )
        if result.returncode:
            raise RuntimeError(f"{command} failed:\n{result.stdout}{result.stderr}")
        return result.stdout

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[Any]":
        """Start a Python program of the portal; it ends with the portal."""
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=self.env, **options)
        self.processes.append(process)
        return process

    def serve(self, port: int | None = None) -> "subprocess.Popen[Any]":
        """Start a web process, on the portal's port or on another one."""
        port = port or self.port
        command = ["manage.py", "web"]
        if self.asgi:
            command = ["-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0", self.asgi]
        self.env["PORT"] = str(port)
        process = self.start(*command)
        wait_for_port(port, process)
        return process


def cpu_seconds(process: "subprocess.Popen[Any]") -> float:
    """What a process has used of the processor so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(process: "subprocess.Popen[Any]") -> float:
    """How much memory a process holds now."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the process has ended")


@contextlib.contextmanager
def redis_server(port: int | None = None) -> Iterator[str]:
    """A Redis that keeps nothing; gives its URL."""
    port = port or free_port()
    arguments = [
        "redis-server",
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        stop(process)


def has_redis() -> bool:
    return shutil.which("redis-server") is not None


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL cluster in a temporary folder; gives the URL of a database in it."""
    folder = Path(tempfile.mkdtemp(prefix="portal-postgres-"))
    # The server refuses to run as root.
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres", "postgres")
    port = free_port()
    try:
        subprocess.run(
            [*user, _postgres("initdb"), "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8"],
            check=True, stdout=subprocess.DEVNULL, cwd=folder, timeout=60,
        )  # fmt: skip
        options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
        server = subprocess.Popen(
            [*user, _postgres("postgres"), "-D", folder / "data", *options],
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_port(port, server)
            subprocess.run(
                [_postgres("createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "portal"],
                check=True, timeout=30,
            )  # fmt: skip
            yield f"postgres://postgres@127.0.0.1:{port}/portal"
        finally:
            stop(server, signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def has_postgres() -> bool:
    return bool(_postgres("initdb"))


def _postgres(program: str) -> str:
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *POSTGRES_PLACES])) or ""
