"""Serves a WSGI application under ASGI, on threads of its own.

Django under ASGI pays a change of thread for every synchronous middleware; here a request changes
thread once. The bodies that come this way are small, so each is read whole before the thread starts,
and one that is too large is refused before it was read.
"""

import asyncio
import contextvars
import io
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Any]
Send = Callable[[Message], Any]
Environ = dict[str, Any]
WsgiApplication = Callable[[Environ, Any], Iterable[bytes]]

BODY_LIMIT = 1024 * 1024
CHUNK_BYTES = 64 * 1024
SHORT_BYTES = 256 * 1024
# How long a request may wait for a free thread.
QUEUE_SECONDS = 30.0
# How long a slow client may keep one piece of a streamed answer.
SEND_SECONDS = 60.0


class TooLarge(Exception):
    """The body is larger than the limit."""


class Disconnected(Exception):
    """The client has gone."""


@dataclass
class Answer:
    """What a WSGI application answered; without a body when that was streamed."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes | None = None

    def start(self) -> Message:
        return {"type": "http.response.start", "status": self.status, "headers": self.headers}


class WsgiBridge:
    """An ASGI application for HTTP that runs a WSGI application."""

    def __init__(
        self, application: WsgiApplication, *, threads: int = 8, body_limit: int = BODY_LIMIT
    ) -> None:
        self.application = application
        self.body_limit = body_limit
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="web")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _read_body(scope, receive, self.body_limit)
        except Disconnected:
            return
        except TooLarge:
            await _refuse(send, 413, f"The request is larger than {self.body_limit} bytes.")
            return
        answer = await self._run(_environ(scope, body), _Stream(receive, send))
        if answer is None:
            await _refuse(send, 503, "The portal is busy. Please try again.")
        elif answer.body is not None:
            await send(answer.start())
            await send({"type": "http.response.body", "body": answer.body})

    async def _run(self, environ: Environ, stream: "_Stream") -> Answer | None:
        """Run the application in a thread; None when none got free in time."""
        # A request's context variables end with it; the thread goes on to other requests.
        context = contextvars.copy_context()
        job = self._pool.submit(context.run, _call, self.application, environ, stream)
        # Cancels it only as long as it has not begun.
        timer = stream.loop.call_later(QUEUE_SECONDS, job.cancel)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if job.cancelled() and task is not None and not task.cancelling():
                return None
            raise
        finally:
            timer.cancel()
            stream.end()


class _Stream:
    """Hands an answer to the client piece by piece, from a thread."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.loop = asyncio.get_running_loop()
        self._receive = receive
        self._send = send
        self._gone = threading.Event()
        self._watcher: asyncio.Future[None] | None = None

    def run(self, answer: Answer, chunks: Iterable[bytes]) -> None:
        """In the thread: each piece waits until the one before is on its way."""
        self._in_loop(self._begin(answer))
        for chunk in chunks:
            if self._gone.is_set():
                return
            self._in_loop(self._send({"type": "http.response.body", "body": chunk, "more_body": True}))
        self._in_loop(self._send({"type": "http.response.body", "body": b""}))

    def end(self) -> None:
        """In the loop: nobody waits for the answer any more."""
        self._gone.set()
        if self._watcher is not None:
            self._watcher.cancel()

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(SEND_SECONDS)

    async def _begin(self, answer: Answer) -> None:
        await self._send(answer.start())
        self._watcher = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while not self._gone.is_set():
            if (await self._receive())["type"] == "http.disconnect":
                self._gone.set()


def _call(application: WsgiApplication, environ: Environ, stream: _Stream) -> Answer:
    """In the thread: run the application; take the whole body, or stream it."""
    answer = Answer()

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        answer.status = int(status.split(" ", 1)[0])
        answer.headers = [
            (name.lower().encode("latin-1"), str(value).strip().encode("latin-1")) for name, value in headers
        ]

    result = application(environ, start_response)
    try:
        if getattr(result, "streaming", False) and not _is_short(answer):
            if hasattr(result, "block_size"):
                result.block_size = CHUNK_BYTES
            stream.run(answer, result)
        else:
            answer.body = b"".join(result)
    finally:
        _close(result)
    return answer


def _is_short(answer: Answer) -> bool:
    """Small files stream as well; sending them whole saves the way back and forth."""
    length = next((value for name, value in answer.headers if name == b"content-length"), b"")
    return length.isdigit() and int(length) <= SHORT_BYTES


def _close(result: Iterable[bytes]) -> None:
    close = getattr(result, "close", None)
    if close is not None:
        close()


async def _read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read the body; stop as soon as it is known to be too large."""
    announced = _header(scope, b"content-length")
    if announced.isdigit() and int(announced) > limit:
        raise TooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise TooLarge
        if not message.get("more_body", False):
            return b"".join(parts)


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = (sentence + "\n").encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        # What is left of the body is not read, so the connection is of no more use.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _environ(scope: Scope, body: bytes) -> Environ:
    """The request as WSGI wants it: bytes as latin-1 text, headers as HTTP_ names."""
    root = scope.get("root_path") or ""
    path = unquote_to_bytes(scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    server = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root.encode().decode("latin-1"),
        "PATH_INFO": path.removeprefix(root),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    _add_headers(environ, scope["headers"])
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _add_headers(environ: Environ, headers: Iterable[tuple[bytes, bytes]]) -> None:
    for raw_name, raw_value in headers:
        # X_Real_Ip and X-Real-Ip would become the same name: a way to forge what a proxy sets.
        if b"_" in raw_name:
            continue
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        if name == "PROXY":
            continue
        key = name if name == "CONTENT_TYPE" else f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        if key in environ:
            # RFC 9110: a list; cookies have their own separator (RFC 9113 8.2.3).
            value = environ[key] + ("; " if name == "COOKIE" else ",") + value
        environ[key] = value
    environ.pop("HTTP_CONTENT_LENGTH", None)
