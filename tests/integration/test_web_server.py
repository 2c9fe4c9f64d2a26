"""daphne as the portal runs it: bodies refused at once, no name told, and a gentle stop."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]

# A small application in the place of Django: it says how much it got; /slow takes its time.
PROGRAM = """
import sys, time
from portal.web_server import serve
from portal.wsgi_bridge import WsgiBridge

def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"got %d" % len(environ["wsgi.input"].read())]

sys.exit(0 if serve(WsgiBridge(application), endpoints=["tcp:port=%s:interface=127.0.0.1" % sys.argv[1]]) else 1)
"""


class Server:
    """The program above, listening."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(self.port)], cwd=ROOT)
        deadline = time.monotonic() + 15
        while True:
            try:
                self.connect().close()
                return
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, *lines: str, body: bytes = b"") -> bytes:
        """Send a request; return all that comes until the server closes."""
        with self.connect() as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            return read_all(connection)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=15)


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def test_a_form_arrives_unparsed(server: Server) -> None:
    form = b"a=1&b=2"
    answer = server.ask(
        "POST / HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(form)}",
        "Content-Type: application/x-www-form-urlencoded", body=form,
    )  # fmt: skip
    assert b"got 7" in answer


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(server: Server) -> None:
    answer = server.ask("POST / HTTP/1.1", "Host: x", "Content-Length: 5000000000", "Expect: 100-continue")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


def test_an_endless_body_is_refused_on_the_way(server: Server) -> None:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(40):
            connection.sendall(piece)
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_the_server_does_not_tell_its_name(server: Server) -> None:
    answer = server.ask("GET / HTTP/1.1", "Host: x", "Connection: close")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"server:" not in answer.lower()


def test_a_running_request_is_answered_before_the_server_stops() -> None:
    server = Server()
    with server.connect() as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        assert b"got 0" in read_all(connection)
    assert server.process.wait(timeout=10) == 0
