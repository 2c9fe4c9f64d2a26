"""The bridge from ASGI to WSGI: what Django sees of a request, and what the client gets, when and how much."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from portal import wsgi_bridge
from portal.wsgi_bridge import WsgiBridge

Environ = dict[str, Any]


class Client:
    """Speaks ASGI to an application, in the place of a server."""

    def __init__(self, application: Any, *bodies: bytes, hang_up: bool = False, **scope: Any) -> None:
        self.application = application
        self.scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/", "raw_path": b"/",
            "query_string": b"", "root_path": "", "headers": [], "client": ("192.0.2.7", 4711), "server": ("portal", 8000),
            **scope,
        }  # fmt: skip
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        parts = bodies or (b"",)
        for left, part in enumerate(parts, start=1 - len(parts)):
            self.incoming.put_nowait({"type": "http.request", "body": part, "more_body": left < 0})
        if hang_up:
            self.hang_up()
        self.sent: list[dict[str, Any]] = []
        self.got_body = asyncio.Event()

    def hang_up(self) -> None:
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> dict[str, Any]:
        return await self.incoming.get()

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body":
            self.got_body.set()

    async def run(self) -> "Client":
        await asyncio.wait_for(self.application(self.scope, self.receive, self.send), 10)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


def answering(look: Callable[[Environ], bytes]) -> WsgiBridge:
    """A bridge to an application that answers with what `look` finds in its environ."""

    def application(environ: Environ, start_response: Any) -> list[bytes]:
        start_response(
            "200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        )
        return [look(environ)]

    return WsgiBridge(application, threads=2, body_limit=1000)


async def environ_of(**scope: Any) -> Environ:
    seen: list[Environ] = []
    await Client(answering(lambda environ: seen.append(environ) or b""), **scope).run()  # type: ignore[func-returns-value]
    return seen[0]


async def test_the_request_arrives_as_it_was_sent() -> None:
    environ = await environ_of(
        method="POST",
        scheme="https",
        path="/ä b/c",
        raw_path=b"/%C3%A4%20b/c",
        query_string=b"x=%20y",
        root_path="/root",
    )
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/ä b/c"
    assert environ["QUERY_STRING"] == "x=%20y"
    assert environ["REQUEST_METHOD"] == "POST"
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["SCRIPT_NAME"] == "/root"
    assert (environ["REMOTE_ADDR"], environ["SERVER_PORT"]) == ("192.0.2.7", "8000")


async def test_a_path_that_is_no_text_stays_what_it_is() -> None:
    environ = await environ_of(path="/�", raw_path=b"/%ff%00")
    assert environ["PATH_INFO"] == "/\xff\x00"


async def test_the_address_is_the_connection_s_whatever_the_headers_say() -> None:
    environ = await environ_of(headers=[(b"x-forwarded-for", b"10.0.0.1"), (b"remote-addr", b"10.0.0.1")])
    assert environ["REMOTE_ADDR"] == "192.0.2.7"


async def test_headers_cannot_be_forged_with_underscores_or_proxy() -> None:
    environ = await environ_of(
        headers=[
            (b"x_forwarded_proto", b"https"),
            (b"proxy", b"http://evil"),
            (b"x-forwarded-proto", b"http"),
        ]
    )
    assert environ["HTTP_X_FORWARDED_PROTO"] == "http"
    assert "HTTP_PROXY" not in environ


async def test_headers_given_twice_become_lists_and_cookies_stay_cookies() -> None:
    environ = await environ_of(
        headers=[(b"accept", b"a/b"), (b"accept", b"c/d"), (b"cookie", b"a=1"), (b"cookie", b"b=2")]
    )
    assert environ["HTTP_ACCEPT"] == "a/b,c/d"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"


async def test_a_body_in_pieces_arrives_whole_with_its_length() -> None:
    bridge = answering(
        lambda environ: environ["CONTENT_LENGTH"].encode() + b" " + environ["wsgi.input"].read()
    )
    client = await Client(bridge, b"one ", b"two ", b"three").run()
    assert client.body == b"13 one two three"


async def test_a_body_announced_as_too_large_is_refused_unread() -> None:
    client = Client(answering(lambda environ: b"seen"), headers=[(b"content-length", b"1001")])
    client.incoming = asyncio.Queue()
    await client.run()
    assert client.status == 413
    assert client.body != b"seen"


async def test_a_body_that_grows_too_large_is_refused() -> None:
    client = await Client(answering(lambda environ: b"seen"), b"x" * 600, b"x" * 600, b"x" * 600).run()
    assert client.status == 413
    assert client.incoming.qsize() == 1


async def test_a_client_that_leaves_while_sending_costs_nothing() -> None:
    client = Client(answering(lambda environ: b"seen"))
    client.incoming = asyncio.Queue()
    client.hang_up()
    await client.run()
    assert client.sent == []


async def test_cookies_are_set_one_by_one() -> None:
    client = await Client(answering(lambda environ: b"")).run()
    assert [value for name, value in client.headers if name == b"set-cookie"] == [b"a=1", b"b=2"]


async def test_what_one_request_sets_is_not_seen_by_the_next() -> None:
    mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="clean")

    def look(environ: Environ) -> bytes:
        before = mark.get()
        mark.set("dirty")
        return before.encode()

    bridge = WsgiBridge(_answer_with(look), threads=1)
    assert [(await Client(bridge).run()).body for _ in range(3)] == [b"clean"] * 3


async def test_a_streamed_answer_is_sent_while_it_is_made() -> None:
    go_on = threading.Event()

    def chunks() -> Iterator[bytes]:
        yield b"first "
        assert go_on.wait(10)
        yield b"second"

    stream = Stream(chunks())
    client = Client(WsgiBridge(_answer_with(lambda environ: stream), threads=1))
    running = asyncio.ensure_future(client.run())
    await asyncio.wait_for(client.got_body.wait(), 10)
    assert client.body == b"first "
    go_on.set()
    await running
    assert client.body == b"first second"
    assert stream.closed.is_set()


async def test_a_client_that_leaves_ends_the_stream() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x"

    stream = Stream(endless())
    client = Client(WsgiBridge(_answer_with(lambda environ: stream), threads=1))
    running = asyncio.ensure_future(client.run())
    await asyncio.wait_for(client.got_body.wait(), 10)
    client.hang_up()
    await asyncio.wait_for(running, 10)
    assert stream.closed.is_set()


async def test_a_server_that_cancels_does_not_lose_the_thread() -> None:
    leave = threading.Event()
    bridge = WsgiBridge(_answer_with(lambda environ: b"slow" if leave.wait(10) else b""), threads=1)
    running = asyncio.ensure_future(Client(bridge).run())
    await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.sleep(0.1)
    leave.set()
    await asyncio.gather(running, return_exceptions=True)
    assert (await Client(bridge).run()).body == b"slow"


async def test_when_no_thread_gets_free_the_client_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi_bridge, "QUEUE_SECONDS", 0.1)
    leave = threading.Event()
    bridge = WsgiBridge(_answer_with(lambda environ: b"slow" if leave.wait(10) else b""), threads=1)
    running = asyncio.ensure_future(Client(bridge).run())
    await asyncio.sleep(0.05)
    refused = await Client(bridge).run()
    leave.set()
    assert refused.status == 503
    assert (await running).body == b"slow"


async def test_an_error_of_the_application_reaches_the_server() -> None:
    bridge = answering(lambda environ: b"%d" % (1 // 0))
    with pytest.raises(ZeroDivisionError):
        await Client(bridge).run()
    assert (await Client(answering(lambda environ: b"fine")).run()).body == b"fine"


async def test_the_portal_itself_answers_through_the_bridge() -> None:
    from portal.asgi import application

    client = await Client(
        application, path="/livez", raw_path=b"/livez", headers=[(b"host", b"localhost")]
    ).run()
    assert (client.status, client.body) == (200, b"ok")


async def test_other_servers_may_say_that_they_start_and_stop() -> None:
    from portal.asgi import application

    client = Client(application, type="lifespan")
    client.incoming = asyncio.Queue()
    for kind in ("lifespan.startup", "lifespan.shutdown"):
        client.incoming.put_nowait({"type": kind})
    await client.run()
    assert [message["type"] for message in client.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


class Stream:
    """An answer like Django's StreamingHttpResponse."""

    streaming = True

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)

    def close(self) -> None:
        self.closed.set()


def _answer_with(look: Callable[[Environ], Any]) -> Any:
    def application(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])
        found = look(environ)
        return [found] if isinstance(found, bytes) else found

    return application
