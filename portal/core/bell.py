"""The doorbell between processes: tells whoever listens that there is something new to look at.

A ring is a hint and may be lost; the truth is always in the database. So nobody waits on the bell
alone: every listener also looks by itself from time to time.

    bell.ring("queue")                            # from any process; inside a transaction: on its commit

    with bell.Listener("queue") as listener:      # in a process or thread that blocks
        listener.wait(timeout=30)                 # True when it rang

    async with bell.AsyncListener("log") as listener:
        payloads = await listener.wait(timeout=5) # what was rung; empty when nothing came

On one machine rings are unix datagrams: each listener binds a socket file, `ring` sends to all that
match. With Redis they go to the other machines as well, and a dead Redis costs nothing.
"""

import asyncio
import contextlib
import errno
import logging
import os
import re
import secrets
import select
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from django.conf import settings
from django.db import connection, transaction

logger = logging.getLogger(__name__)

GOOD_TOPIC = re.compile(r"[a-z0-9-]{1,32}")
PAYLOAD_LIMIT = 1024
REDIS_TIMEOUT_SECONDS = 0.3
# After a failure Redis is left alone for this long, so that no caller waits for it again and again.
REDIS_REST_SECONDS = 5.0


def ring(topic: str, payload: str = "") -> None:
    """Wake everybody who listens to this topic. Never blocks for long and never raises.

    Inside a transaction it rings on commit: who wakes up earlier would find nothing.
    """
    if connection.in_atomic_block:
        transaction.on_commit(lambda: _ring_now(topic, payload), robust=True)
    else:
        _ring_now(topic, payload)


class Listener:
    """Hears the rings of one topic, for code that blocks."""

    def __init__(self, topic: str) -> None:
        _check_topic(topic)
        self.topic = topic
        self._owner = os.getpid()
        self._path = _folder() / f"{topic}.{self._owner}.{secrets.token_hex(4)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        with _short(self._path) as address:
            self._socket.bind(address)
        self._bridge = _Bridge(topic, self._path) if settings.REDIS_URL else None

    def wait(self, timeout: float) -> bool:
        """Return True as soon as it rings (or rang since the last call), False after the timeout."""
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        return bool(poller.poll(max(0.0, timeout) * 1000)) and bool(self.heard())

    def heard(self) -> list[str]:
        """Take all payloads that have arrived, without waiting."""
        payloads = []
        while True:
            try:
                payloads.append(self._socket.recv(PAYLOAD_LIMIT).decode(errors="replace"))
            except BlockingIOError:
                return payloads

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Stop listening. In a forked child the parent's socket file stays."""
        if self._bridge:
            self._bridge.stop()
        self._socket.close()
        if os.getpid() == self._owner:
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncListener:
    """Hears the rings of one topic in the running event loop."""

    def __init__(self, topic: str) -> None:
        self._listener = Listener(topic)
        self._rang = asyncio.Event()
        # As keys: the same payload rung a hundred times while nobody waited is one piece of news.
        self._payloads: dict[str, None] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._listener.fileno(), self._take)

    async def wait(self, timeout: float) -> list[str]:
        """Return the different payloads as soon as it rings; an empty list after the timeout."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._rang.wait(), timeout)
        self._rang.clear()
        payloads, self._payloads = list(self._payloads), {}
        return payloads

    def _take(self) -> None:
        self._payloads.update(dict.fromkeys(self._listener.heard()))
        self._rang.set()

    def close(self) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_topic(topic: str) -> None:
    if not GOOD_TOPIC.fullmatch(topic):
        raise ValueError(f"{topic!r} is not a topic")


def _folder() -> Path:
    folder = Path(settings.DATA_DIR) / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _short(path: Path) -> Any:
    """Give a socket file's address; a path beyond the kernel's 107 bytes goes through its folder's descriptor."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _ring_now(topic: str, payload: str) -> None:
    _check_topic(topic)
    data = payload.encode()[:PAYLOAD_LIMIT]
    try:
        for path in _folder().glob(f"{topic}.*"):
            _send(path, data)
    except OSError:
        logger.warning("The bell %s could not be rung on this machine.", topic, exc_info=True)
    if settings.REDIS_URL:
        _publisher.publish(topic, _origin() + b"\n" + data)


def _send(path: Path, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, _short(path) as address:
        sender.setblocking(False)
        try:
            sender.sendto(data, address)
        except BlockingIOError:
            pass  # Its buffer is full of rings that it has not looked at: it will wake up anyway.
        except OSError as error:
            # Its process is gone: killed before it could remove the file.
            if error.errno == errno.ECONNREFUSED:
                path.unlink(missing_ok=True)
            elif error.errno != errno.ENOENT:
                raise


def _origin() -> bytes:
    """Names the machine and its folder: whoever shares both has heard the ring already."""
    place = _folder().stat()
    return f"{socket.gethostname()}:{place.st_dev}:{place.st_ino}".encode()


def _channel(topic: str) -> str:
    return f"portal.bell.{topic}"


class _Publisher:
    """Rings over Redis; rests after a failure, so that a dead Redis delays nobody."""

    def __init__(self) -> None:
        self._client: Any = None
        self._pid = 0
        self._rest_until = 0.0

    def publish(self, topic: str, data: bytes) -> None:
        if time.monotonic() < self._rest_until:
            return
        try:
            self._connected().publish(_channel(topic), data)
        except (redis.RedisError, OSError):
            self._rest_until = time.monotonic() + REDIS_REST_SECONDS
            logger.warning("Redis does not answer; rings stay on this machine for now.")

    def _connected(self) -> Any:
        # A connection must not be shared with a forked parent.
        if self._client is None or self._pid != os.getpid():
            self._pid = os.getpid()
            self._client = redis.Redis.from_url(
                settings.REDIS_URL,
                socket_timeout=REDIS_TIMEOUT_SECONDS,
                socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
                retry=None,
            )
        return self._client


_publisher = _Publisher()


class _Bridge:
    """Carries the rings of other machines from Redis to a listener's own socket."""

    def __init__(self, topic: str, path: Path) -> None:
        self._topic = topic
        self._path = path
        self._own = _origin()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name=f"bell-{topic}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._carry()
            except (redis.RedisError, OSError):
                self._stopped.wait(1)

    def _carry(self) -> None:
        client = redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2, health_check_interval=10
        )
        with client, client.pubsub(ignore_subscribe_messages=True) as subscription:
            subscription.subscribe(_channel(self._topic))
            # Whatever was rung while we were away is unknown: wake up once and look.
            _send(self._path, b"")
            while not self._stopped.is_set():
                message = subscription.get_message(timeout=1)
                if message:
                    origin, _, payload = message["data"].partition(b"\n")
                    if origin != self._own:
                        _send(self._path, payload)
