"""The built-in proxy as a process of its own, with real sockets, applications that die, and bad clients."""

import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from deployments.pipeline.proxies.base import PortTaken, Route
from deployments.pipeline.proxies.builtin import SOURCE, BuiltinProxy
from instances.hosts.base import HostError
from tests.integration.http_tools import (
    Handler,
    Upstream,
    answers,
    ask,
    connect,
    free_port,
    get,
    plain,
    process,
    read_all,
    read_answer,
    read_exactly,
    read_head,
    request,
    saying,
    wait_until,
)
from tests.unit.deployments.test_proxy_messages import AMBIGUOUS

MEGABYTE = 1 << 20

Serve = Callable[[Handler], tuple[int, Upstream]]


def pid_of(proxy: BuiltinProxy) -> int:
    return int(proxy._ask({"op": "ping"})["pid"])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def end(proxy: BuiltinProxy) -> None:
    with contextlib.suppress(HostError, ProcessLookupError):
        os.kill(pid_of(proxy), signal.SIGKILL)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[BuiltinProxy]:
    """A proxy that must not have met an error that it did not expect."""
    proxy = BuiltinProxy(folder, bind="127.0.0.1", strip_cookies=["portal_session"])
    proxy.ensure()
    try:
        yield proxy
    finally:
        end(proxy)
    assert (folder / "errors.log").read_text() == ""


@contextlib.contextmanager
def serving(proxy: BuiltinProxy) -> Iterator[Serve]:
    """Start an application with a handler, and give its public port."""
    upstreams: list[Upstream] = []

    def start(handler: Handler) -> tuple[int, Upstream]:
        upstreams.append(Upstream(handler))
        route = Route(f"site-{len(upstreams)}", free_port(), upstreams[-1].port)
        proxy.apply(route)
        return route.public_port, upstreams[-1]

    yield start
    for upstream in upstreams:
        upstream.close()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[BuiltinProxy]:
    with running(tmp_path / "proxy") as proxy:
        yield proxy


@pytest.fixture
def serve(proxy: BuiltinProxy) -> Iterator[Serve]:
    with serving(proxy) as serve:
        yield serve


@pytest.fixture(scope="module")
def lasting_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltinProxy]:
    """For tests that leave it as it was."""
    with running(tmp_path_factory.mktemp("lasting") / "proxy") as proxy:
        yield proxy


@pytest.fixture
def pass_on(lasting_proxy: BuiltinProxy) -> Iterator[Serve]:
    with serving(lasting_proxy) as serve:
        yield serve
    for site in lasting_proxy.status():
        if site != "corpus":
            lasting_proxy.remove(site)


# --- messages pass whole --------------------------------------------------------------------------


def test_a_request_reaches_the_application_and_its_answer_the_client(pass_on: Serve) -> None:
    port, upstream = pass_on(saying(plain(b"hello")))
    status, head, body = get(
        port, "/a?b=c", "Cookie: portal_session=secret; theme=dark", "X-Real-IP: 6.6.6.6"
    )
    assert (status, body) == (200, b"hello")
    assert b"Connection" not in head
    assert upstream.heads[0] == (
        b"GET /a?b=c HTTP/1.1\r\nHost: app\r\nCookie: theme=dark\r\nX-Forwarded-For: 127.0.0.1\r\n"
        b"X-Forwarded-Proto: http\r\nX-Forwarded-Host: app\r\nX-Real-IP: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", b"body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nbo\r\n2\r\ndy\r\n0\r\nT: 1\r\n\r\n",
            b"body",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nbody", b"body"),
        (b"HTTP/1.1 500 Oh No\r\nContent-Length: 4\r\n\r\nbody", b"body"),
    ],
)
def test_every_framing_leaves_the_connection_usable(pass_on: Serve, answer: bytes, body: bytes) -> None:
    port, _ = pass_on(saying(answer))
    with connect(port) as connection:
        for _ in range(3):
            connection.sendall(request("GET"))
            assert read_answer(connection)[2] == body


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 400\r\nETag: x\r\n\r\n"),
    ],
)
def test_an_answer_without_a_body_is_not_waited_for(pass_on: Serve, method: str, answer: bytes) -> None:
    port, _ = pass_on(saying(answer))
    with connect(port) as connection:
        for _ in range(2):
            connection.sendall(request(method))
            assert read_head(connection) == answer


def test_an_old_client_gets_a_body_that_ends_with_the_connection(pass_on: Serve) -> None:
    port, _ = pass_on(
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n")
    )
    with connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert read_all(connection) == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody"


def test_pipelined_requests_are_answered_in_order(pass_on: Serve) -> None:
    port, _ = pass_on(lambda head, connection: connection.sendall(plain(head.split()[1])))
    with connect(port) as connection:
        connection.sendall(b"".join(request("GET", f"/{number}") for number in range(20)))
        assert [read_answer(connection)[2] for _ in range(20)] == [b"/%d" % number for number in range(20)]


def test_bytes_that_dribble_in_make_a_request(pass_on: Serve) -> None:
    port, upstream = pass_on(lambda head, connection: connection.sendall(plain(read_exactly(connection, 5))))
    with connect(port) as connection:
        for byte in b"\r\n" + request("POST", "/", body=b"hello"):
            connection.sendall(bytes([byte]))
        assert read_answer(connection)[2] == b"hello"
    assert len(upstream.heads) == 1


def test_an_early_hint_is_passed_on_before_the_answer(pass_on: Serve) -> None:
    port, _ = pass_on(saying(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + plain(b"hello")))
    with connect(port) as connection:
        connection.sendall(request("GET"))
        assert read_head(connection) == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        assert read_answer(connection)[2] == b"hello"


@pytest.mark.parametrize("size", [10, 200_000])
def test_a_client_that_waits_for_100_continue_gets_it(pass_on: Serve, size: int) -> None:
    def count(head: bytes, connection: socket.socket) -> None:
        assert b"Expect" not in head
        connection.sendall(plain(b"%d" % len(read_exactly(connection, size))))

    port, _ = pass_on(count)
    with connect(port) as connection:
        connection.sendall(request("POST", "/", "Expect: 100-continue", f"Content-Length: {size}"))
        assert read_head(connection) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"x" * size)
        assert read_answer(connection)[2] == b"%d" % size


def test_an_answer_is_streamed_as_it_comes(pass_on: Serve) -> None:
    go_on = threading.Event()

    def stream(head: bytes, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        go_on.wait(10)
        connection.sendall(b"data: 2\n\n")

    port, _ = pass_on(stream)
    with connect(port) as connection:
        connection.sendall(request("GET"))
        assert b"Transfer-Encoding: chunked" in read_head(connection)
        assert read_exactly(connection, 14) == b"9\r\ndata: 1\n\n\r\n"
        go_on.set()
        assert read_exactly(connection, 19) == b"9\r\ndata: 2\n\n\r\n0\r\n\r\n"


def test_a_chunked_request_arrives_in_chunks(pass_on: Serve) -> None:
    port, _ = pass_on(lambda head, connection: connection.sendall(plain(read_exactly(connection, 26))))
    head = request("POST", "/", "Transfer-Encoding: chunked")
    status, _, body = ask(port, head + b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nTrailer: 1\r\n\r\n")
    assert (status, body) == (200, b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")


def test_an_upgraded_connection_carries_bytes_both_ways(pass_on: Serve) -> None:
    def echo(head: bytes, connection: socket.socket) -> None:
        assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in head
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi"
        )
        while piece := connection.recv(4096):
            connection.sendall(piece)

    port, _ = pass_on(echo)
    with connect(port) as connection:
        connection.sendall(request("GET", "/ws", "Connection: keep-alive, Upgrade", "Upgrade: websocket"))
        assert b" 101 " in read_head(connection)
        assert read_exactly(connection, 2) == b"hi"
        for size in (1, 1000, 100_000):
            sent = random.randbytes(size)
            connection.sendall(sent)
            assert read_exactly(connection, size) == sent
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b""


def test_large_bodies_stream_both_ways_in_little_memory(lasting_proxy: BuiltinProxy, pass_on: Serve) -> None:
    """The application reads slowly at first and the client too: the proxy must not fill up meanwhile."""
    size = 20 * MEGABYTE

    def echo(head: bytes, connection: socket.socket) -> None:
        time.sleep(0.3)
        body = read_exactly(connection, size)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        connection.sendall(body)

    port, _ = pass_on(echo)
    get_status = Path(f"/proc/{pid_of(lasting_proxy)}/status").read_text
    before = _peak_kilobytes(get_status())
    sent = random.randbytes(size)
    with connect(port) as connection:
        connection.sendall(request("POST", "/", body=sent))
        time.sleep(0.3)
        _, _, received = read_answer(connection)
    assert hashlib.sha256(received).digest() == hashlib.sha256(sent).digest()
    assert _peak_kilobytes(get_status()) - before < 6 * 1024


def _peak_kilobytes(status: str) -> int:
    return int(status.partition("VmHWM:")[2].split()[0])


def test_an_answer_before_the_end_of_the_body_is_read_by_the_client(pass_on: Serve) -> None:
    port, _ = pass_on(saying(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno\n"))
    with connect(port) as connection:
        connection.sendall(request("POST", "/", f"Content-Length: {50 * MEGABYTE}"))
        with contextlib.suppress(OSError):
            for _ in range(20):
                connection.sendall(b"x" * 10_000)
        status, head, body = read_answer(connection)
    assert (status, body) == (413, b"no\n")
    assert b"Connection: close" in head


# --- bad clients and bad applications -------------------------------------------------------------


@pytest.mark.parametrize("head", AMBIGUOUS)
def test_what_smuggles_is_refused_and_never_passed_on(smuggling: tuple[int, Upstream], head: bytes) -> None:
    port, upstream = smuggling
    with connect(port) as connection:
        connection.sendall(head + b"\r\n\r\n" + request("GET", "/smuggled"))
        status, answer, _ = read_answer(connection)
        assert (status, b"Connection: close" in answer) == (400, True)
        assert read_all(connection) == b""
    assert upstream.heads == []


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"-1\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"ffffffffffffffffff\r\nabc",
        b"\r\n",
        b"3;" + b"x" * 2000 + b"\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_a_malformed_chunk_ends_the_request(smuggling: tuple[int, Upstream], body: bytes) -> None:
    port, upstream = smuggling
    with connect(port) as connection:
        connection.sendall(
            request("POST", "/", "Transfer-Encoding: chunked") + body + request("GET", "/smuggled")
        )
        assert read_answer(connection)[0] == 400
        assert read_all(connection) == b""
    assert not [head for head in upstream.heads if b"smuggled" in head]
    upstream.heads.clear()


@pytest.fixture(scope="module")
def smuggling(lasting_proxy: BuiltinProxy) -> Iterator[tuple[int, Upstream]]:
    """One application for the whole corpus; it waits for the end of a body before it answers."""

    def wait_for_body(head: bytes, connection: socket.socket) -> None:
        if b"chunked" in head:
            while not (piece := connection.recv(4096)).endswith(b"0\r\n\r\n"):
                if not piece:
                    return
        connection.sendall(plain(b"taken"))

    upstream = Upstream(wait_for_body)
    route = Route("corpus", free_port(), upstream.port)
    lasting_proxy.apply(route)
    yield route.public_port, upstream
    upstream.close()


def test_a_header_that_is_too_large_is_refused(smuggling: tuple[int, Upstream]) -> None:
    with connect(smuggling[0]) as connection:
        connection.sendall(request("GET", "/", "X: " + "x" * 70_000))
        assert read_answer(connection)[0] == 400
    assert get(smuggling[0], "/", "X: " + "x" * 60_000)[0] == 200
    smuggling[1].heads.clear()


def test_bare_line_ends_are_refused_at_once(smuggling: tuple[int, Upstream]) -> None:
    assert ask(smuggling[0], b"GET / HTTP/1.1\nHost: a\n\n")[0] == 400


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 502),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Len", 502),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 502),
    ],
)
def test_nonsense_from_the_application_is_a_bad_gateway(pass_on: Serve, answer: bytes, status: int) -> None:
    port, _ = pass_on(saying(answer))
    with connect(port) as connection:
        for _ in range(2):
            connection.sendall(request("GET"))
            assert read_answer(connection)[0] == status


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf",
    ],
)
def test_an_answer_that_breaks_off_is_not_taken_for_whole(pass_on: Serve, answer: bytes) -> None:
    port, _ = pass_on(saying(answer))
    with connect(port) as connection:
        connection.sendall(request("GET"))
        with pytest.raises(ConnectionResetError):
            read_answer(connection)


def test_an_application_that_takes_too_long_is_a_gateway_timeout(tmp_path: Path) -> None:
    upstream, port = Upstream(lambda head, connection: time.sleep(5)), free_port()
    folder = tmp_path / "proxy"
    (folder / "routes").mkdir(parents=True)
    stored = {"site": "a", "public_port": port, "upstream_port": upstream.port}
    (folder / "routes/a.json").write_text(json.dumps(stored))
    command = [sys.executable, "-m", "deployments.pipeline.proxies.server"]
    options = ["--dir", str(folder), "--head-timeout", "0.5", "--idle-timeout", "0.5"]
    server = subprocess.Popen([*command, *options], cwd=SOURCE)
    try:
        wait_until(lambda: answers(port), "the proxy does not start")
        assert get(port)[0] == 504
        with connect(port) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost")
            assert read_answer(connection)[0] == 408
        assert ask(port, request("POST", "/", "Content-Length: 9") + b"half")[0] == 408
    finally:
        server.terminate()
        assert server.wait(timeout=15) == 0
        upstream.close()


def test_a_client_that_goes_away_frees_its_place(lasting_proxy: BuiltinProxy, pass_on: Serve) -> None:
    port, upstream = pass_on(lambda head, connection: time.sleep(20))

    def in_flight() -> dict[int, int]:
        return lasting_proxy.status()["site-1"].in_flight

    with connect(port) as connection:
        connection.sendall(request("GET"))
        wait_until(lambda: in_flight() == {upstream.port: 1}, "the request does not arrive")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_until(lambda: in_flight() == {}, "the place is not freed")


# --- switching ------------------------------------------------------------------------------------


class Load:
    """Clients that ask on and on, and keep what went wrong."""

    def __init__(self, port: int, *, keep_alive: int, new: int, slow: int, pause: float) -> None:
        self.port, self.pause = port, pause
        self.answers: list[bytes] = []
        self.failures: list[str] = []
        self.stop = threading.Event()
        work = [self._keep_alive] * keep_alive + [self._new] * new + [self._slow] * slow
        self.threads = [threading.Thread(target=self._guard, args=(one,)) for one in work]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout=20)

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.failures.append(repr(error))

    def _keep_alive(self) -> None:
        with connect(self.port) as connection:
            while not self.stop.wait(self.pause):
                connection.sendall(request("GET", "/kept"))
                self._note(read_answer(connection))

    def _new(self) -> None:
        while not self.stop.wait(self.pause):
            self._note(ask(self.port, request("POST", "/new", body=b"x")))

    def _slow(self) -> None:
        while not self.stop.wait(self.pause):
            self._note(get(self.port, "/slow"))

    def _note(self, answer: tuple[int, bytes, bytes]) -> None:
        status, _, body = answer
        self.answers.append(body)
        if status != 200:
            self.failures.append(f"{status} {body!r}")


def is_drained(proxy: BuiltinProxy, port: int) -> bool:
    return not proxy.status()["site"].in_flight.get(port)


@pytest.mark.parametrize("pause", [0.06, 0.0], ids=["50 a second", "burst"])
def test_no_request_fails_while_the_route_flips(proxy: BuiltinProxy, pause: float) -> None:
    """As a deployment does it: start the new one, switch, let the old one finish, kill it."""
    public = free_port()
    with contextlib.ExitStack() as stack:
        port, server = stack.enter_context(process("version-0", slow=0.1))
        route = Route("site", public, port)
        proxy.apply(route)
        load = stack.enter_context(Load(public, keep_alive=2, new=1, slow=4, pause=pause))
        for number in range(1, 21):
            wait_until(lambda: b"version-%d" % (number - 1) in load.answers, "it does not answer")  # noqa: B023
            new_port, new_server = stack.enter_context(process(f"version-{number}", slow=0.1))
            route = replace(route, upstream_port=new_port)
            proxy.apply(route)
            wait_until(partial(is_drained, proxy, port), "it does not drain")
            server.kill()
            port, server = new_port, new_server
        wait_until(lambda: b"version-20" in load.answers, "the last one does not answer")
        load.__exit__()
    assert load.failures == []


def test_no_request_fails_when_the_application_is_killed_and_another_can_answer(proxy: BuiltinProxy) -> None:
    public = free_port()
    with process("new") as (new, server), process("old") as (old, _):
        proxy.apply(Route("site", public, new, fallback_port=old))
        with Load(public, keep_alive=2, new=0, slow=2, pause=0.01) as load:
            wait_until(lambda: len(load.answers) > 40, "no answers")
            server.kill()
            server.wait(timeout=5)
            wait_until(lambda: load.answers.count(b"old") > 40, "the fallback does not answer")
            assert ask(public, request("POST", "/", body=b"x"))[2] == b"old"
    assert load.failures == []


def test_without_anybody_to_answer_there_is_a_sentence(proxy: BuiltinProxy) -> None:
    route = Route("site", free_port(), free_port(), fallback_port=free_port())
    proxy.apply(route)
    with connect(route.public_port) as connection:
        for _ in range(2):
            connection.sendall(request("POST", "/", body=b"x"))
            status, head, body = read_answer(connection)
            assert (status, body[:32]) == (502, b"The application does not answer.")
            assert b"text/plain" in head


def test_only_what_may_be_repeated_is_sent_again(proxy: BuiltinProxy) -> None:
    broken, sound = Upstream(lambda head, connection: None), Upstream(saying(plain(b"sound")))
    route = Route("site", free_port(), broken.port, fallback_port=sound.port)
    proxy.apply(route)
    assert get(route.public_port)[2] == b"sound"
    assert ask(route.public_port, request("PUT", "/", body=b"x"))[2] == b"sound"
    assert ask(route.public_port, request("POST", "/", body=b"x"))[0] == 502
    assert ask(route.public_port, request("PUT", "/", body=b"x" * 100_000))[0] == 502
    assert (len(broken.heads), len(sound.heads)) == (4, 2)
    broken.close()
    sound.close()


def test_the_route_of_now_is_tried_when_the_one_of_before_hangs_up(proxy: BuiltinProxy) -> None:
    sound = Upstream(saying(plain(b"sound")))
    public = free_port()

    def switch_and_hang_up(head: bytes, connection: socket.socket) -> None:
        proxy.apply(Route("site", public, sound.port))

    broken = Upstream(switch_and_hang_up)
    proxy.apply(Route("site", public, broken.port))
    assert get(public)[2] == b"sound"
    broken.close()
    sound.close()


# --- its life -------------------------------------------------------------------------------------


def test_a_killed_proxy_serves_the_same_routes_when_it_is_ensured_again(
    proxy: BuiltinProxy, serve: Serve
) -> None:
    port, upstream = serve(saying(plain(b"hello")))
    first = pid_of(proxy)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_running(first), "it is not dead")
    with pytest.raises(HostError, match="does not answer"):
        proxy.status()
    proxy.ensure()
    assert pid_of(proxy) != first
    assert get(port)[2] == b"hello"
    assert proxy.status()["site-1"].route == Route("site-1", port, upstream.port)


def test_the_proxy_outlives_whoever_started_it(tmp_path: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from deployments.pipeline.proxies.builtin import BuiltinProxy
BuiltinProxy(Path({str(tmp_path)!r}) / "proxy", bind="127.0.0.1").ensure()
os.killpg(0, signal.SIGKILL)
"""
    environment = {**os.environ, "SECRET_KEY": "canary", "DATABASE_URL": "canary"}
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=SOURCE,
        env=environment,
        start_new_session=True,
        timeout=20,
        check=False,
    )
    proxy = BuiltinProxy(tmp_path / "proxy", bind="127.0.0.1")
    pid = pid_of(proxy)
    assert b"canary" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert os.getsid(pid) == pid
    end(proxy)


def test_many_who_ensure_at_once_start_one(tmp_path: Path) -> None:
    proxies = [BuiltinProxy(tmp_path / "proxy", bind="127.0.0.1") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(BuiltinProxy.ensure, proxies))
    assert len({pid_of(proxy) for proxy in proxies}) == 1
    marker = str(tmp_path / "proxy").encode()
    running = [path for path in Path("/proc").glob("[0-9]*/cmdline") if marker in _read(path)]
    assert len(running) == 1
    end(proxies[0])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_proxy_that_was_told_otherwise_is_replaced(proxy: BuiltinProxy, serve: Serve) -> None:
    port, upstream = serve(saying(plain(b"hello")))
    first = pid_of(proxy)
    proxy.ensure()
    assert pid_of(proxy) == first
    BuiltinProxy(proxy.directory, bind="0.0.0.0", strip_cookies=["theme"]).ensure()
    wait_until(lambda: not is_running(first), "the first one does not end")
    assert get(port, "/", "Cookie: portal_session=a; theme=b")[2] == b"hello"
    assert b"\r\nCookie: portal_session=a\r\n" in upstream.heads[0]


def test_a_folder_with_a_long_path_will_do(tmp_path: Path) -> None:
    proxy = BuiltinProxy(tmp_path / ("d" * 100) / ("e" * 100), bind="127.0.0.1")
    proxy.ensure()
    assert proxy.status() == {}
    end(proxy)


def test_a_taken_port_is_said_and_changes_nothing(proxy: BuiltinProxy, serve: Serve) -> None:
    port, upstream = serve(saying(plain(b"hello")))
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        with pytest.raises(
            PortTaken, match=f"Port {taken} cannot be opened .* another program listens there"
        ):
            proxy.apply(Route("site-1", taken, upstream.port))
        with pytest.raises(PortTaken):
            proxy.apply(Route("other", taken, upstream.port))
    with pytest.raises(PortTaken, match="served for another site"):
        proxy.apply(Route("other", port, upstream.port))
    assert get(port)[2] == b"hello"
    assert list(proxy.status()) == ["site-1"]


def test_one_taken_port_keeps_no_other_from_being_served(proxy: BuiltinProxy, serve: Serve) -> None:
    first, _ = serve(saying(plain(b"first")))
    second, _ = serve(saying(plain(b"second")))
    killed = pid_of(proxy)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not is_running(killed), "it is not dead")
    with socket.create_server(("127.0.0.1", first)):
        proxy.ensure()
        assert get(second)[2] == b"second"
        status = proxy.status()
        assert "another program listens there" in status["site-1"].error
        assert status["site-2"].error == ""
    wait_until(lambda: proxy.status()["site-1"].error == "", "it does not try again")
    assert get(first)[2] == b"first"


def test_a_broken_route_file_keeps_no_other_from_being_served(proxy: BuiltinProxy, serve: Serve) -> None:
    port, _ = serve(saying(plain(b"hello")))
    end(proxy)
    (proxy.directory / "routes/broken.json").write_text("{")
    (proxy.directory / "routes/.site-1.draft").write_text('{"si')
    wait_until(lambda: not answers(port), "it is not dead")
    proxy.ensure()
    assert get(port)[2] == b"hello"


def test_a_new_public_port_replaces_the_old_one(proxy: BuiltinProxy, serve: Serve) -> None:
    port, upstream = serve(saying(plain(b"hello")))
    other = free_port()
    proxy.apply(Route("site-1", other, upstream.port))
    assert get(other)[2] == b"hello"
    assert not answers(port)


def test_a_removed_site_is_served_no_more(proxy: BuiltinProxy, serve: Serve) -> None:
    port, _ = serve(saying(plain(b"hello")))
    with connect(port) as connection:
        connection.sendall(request("GET"))
        read_answer(connection)
        proxy.remove("site-1")
        proxy.remove("site-1")
        assert read_all(connection) == b""
    assert not answers(port)
    assert proxy.status() == {}
    assert list((proxy.directory / "routes").iterdir()) == []


def test_an_order_to_stop_lets_requests_finish(proxy: BuiltinProxy, serve: Serve) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def wait(head: bytes, connection: socket.socket) -> None:
        arrived.set()
        go_on.wait(10)
        connection.sendall(plain(b"finished"))

    port, _ = serve(wait)
    pid = pid_of(proxy)
    with connect(port) as connection, connect(port) as idle:
        connection.sendall(request("GET"))
        arrived.wait(10)
        os.kill(pid, signal.SIGTERM)
        assert read_all(idle) == b""
        wait_until(lambda: not answers(port), "it still accepts")
        successor = BuiltinProxy(proxy.directory, bind="127.0.0.1")
        successor.ensure()
        go_on.set()
        status, head, body = read_answer(connection)
    assert (status, body) == (200, b"finished")
    wait_until(lambda: not is_running(pid), "it does not end")
    assert get(port)[2] == b"finished"


def test_each_request_leaves_a_line_without_its_query(proxy: BuiltinProxy, serve: Serve) -> None:
    port, upstream = serve(saying(plain(b"hello")))
    get(port, "/a?token=secret")
    log = proxy.directory / "access.log"
    wait_until(log.exists, "no log")
    line = json.loads(log.read_text())
    assert line["path"] == "/a"
    assert (line["site"], line["status"], line["port"], line["tries"]) == ("site-1", 200, upstream.port, 1)


def test_an_order_that_is_none_is_refused(proxy: BuiltinProxy) -> None:
    for order in ({}, {"op": "dance"}, {"op": "apply", "route": {}}, {"op": "remove", "site": "../x"}):
        with pytest.raises(HostError, match="refused"):
            proxy._ask(order)
    with pytest.raises(HostError, match="port is not between"):
        proxy.apply(Route("site", 70_000, 1))


def test_the_server_needs_nothing_but_the_standard_library() -> None:
    program = "import sys, deployments.pipeline.proxies.server; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert not {"django", "asgiref"} & {name.partition(".")[0] for name in result.stdout.split()}


@pytest.mark.parametrize(
    ("bind", "public_host", "address"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:8080/"),
        ("0.0.0.0", "ml.example.com", "http://ml.example.com:8080/"),
        ("0.0.0.0", "", f"http://{socket.gethostname()}:8080/"),
        ("::1", "", "http://[::1]:8080/"),
    ],
)
def test_the_address_is_one_that_people_can_open(
    tmp_path: Path, bind: str, public_host: str, address: str
) -> None:
    proxy = BuiltinProxy(tmp_path, bind=bind, public_host=public_host)
    assert proxy.address(Route("site", 8080, 1)) == address
