"""The built-in proxy as a program: a reverse proxy for machines without NGINX.

It knows nothing of Django or the portal and outlives both. `--detach` returns once it serves.
"""

import argparse
import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from deployments.pipeline.proxies.relay.access_log import AccessLog
from deployments.pipeline.proxies.relay.connections import Connections
from deployments.pipeline.proxies.relay.control import Control
from deployments.pipeline.proxies.relay.settings import Settings
from deployments.pipeline.proxies.relay.streams import Deadlines
from deployments.pipeline.proxies.relay.table import Table

# Exit code when another one serves this folder.
RUNS_ALREADY = 3

TICK_SECONDS = 0.25
RETRY_TICKS = 8
ERRORS_LIMIT = 1024 * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop."""
    options = _options(arguments)
    options.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The path of a unix socket must be short, a relative one always is.
    os.chdir(options.dir)
    settings = Settings(
        directory=Path(),
        bind=options.bind,
        strip_cookies=frozenset(name.encode() for name in options.strip_cookies.split(",") if name),
        head_seconds=options.head_timeout,
        idle_seconds=options.idle_timeout,
    )
    lock = _lock(settings.directory)
    if lock is None:
        sys.stderr.write("Another proxy serves this folder.\n")
        return RUNS_ALREADY
    if options.detach:
        return _detached(settings, lock)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_serve(settings, lock, ready=lambda: None))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="where routes, socket and logs are kept")
    parser.add_argument("--bind", default="127.0.0.1", help="the address of the public ports")
    parser.add_argument("--strip-cookies", default="", help="names of cookies that stay out, with commas")
    parser.add_argument("--head-timeout", type=float, default=60, help="seconds until an answer begins")
    parser.add_argument("--idle-timeout", type=float, default=60, help="seconds between parts of a body")
    parser.add_argument("--detach", action="store_true", help="return once it serves, and leave it running")
    return parser.parse_args(arguments)


def _lock(directory: Path) -> int | None:
    """The lock that only one proxy of a folder has; kept as long as the descriptor is open."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _detached(settings: Settings, lock: int) -> int:
    """Go on in a child with a session of its own; say how its start went, and end."""
    news, tell = os.pipe()
    if os.fork():
        os.close(tell)
        with os.fdopen(news) as pipe:
            answer = pipe.read()
        if answer != "ready":
            sys.stderr.write(answer or "The proxy ended while it was starting.\n")
        return 0 if answer == "ready" else 1
    os.setsid()
    os.close(news)

    def ready() -> None:
        os.write(tell, b"ready")
        os.close(tell)

    try:
        _redirect_output(settings.directory / "errors.log")
        asyncio.run(_serve(settings, lock, ready))
    except Exception as error:
        logging.exception("The proxy failed.")
        with contextlib.suppress(OSError):
            os.write(tell, f"The proxy failed: {error}\n".encode())
        os._exit(1)
    os._exit(0)


def _redirect_output(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > ERRORS_LIMIT:
            path.unlink()
    null, errors = (
        os.open(os.devnull, os.O_RDWR),
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
    )
    for target, source in ((0, null), (1, null), (2, errors)):
        os.dup2(source, target)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")


async def _serve(settings: Settings, lock: int, ready: Callable[[], None]) -> None:
    """Serve what is stored, then what the control socket says, until SIGTERM."""
    _allow_many_connections()
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        if not stopped.done():
            stopped.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    deadlines = Deadlines()
    log = AccessLog(settings.directory / "access.log")
    connections = Connections(settings, deadlines, log)
    table = Table(settings, connections.accept)
    await table.load()
    control = await Control(table, connections, stop).listen(settings.directory / "control.sock")
    ticking = asyncio.create_task(_tick(deadlines, log, table))
    # All that is here now stays for good; the collector need not look at it again.
    gc.freeze()
    ready()
    await stopped
    control.close()
    table.close()
    # A successor may begin to serve while we finish what is under way.
    os.close(lock)
    await connections.close()
    ticking.cancel()
    log.flush()


async def _tick(deadlines: Deadlines, log: AccessLog, table: Table) -> None:
    """What has to be looked at from time to time."""
    ticks = 0
    while True:
        await asyncio.sleep(TICK_SECONDS)
        ticks += 1
        deadlines.end_overdue()
        log.flush()
        if ticks % RETRY_TICKS == 0:
            await table.retry()


def _allow_many_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
