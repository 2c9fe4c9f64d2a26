"""Small servers and clients that say exactly what they are told to, for tests of the proxy."""

import contextlib
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

Handler = Callable[[bytes, socket.socket], None]

# A server of its own process: answers its name after a while, and can be killed.
SERVER = """
import socketserver, sys, time
name, port, seconds = sys.argv[1].encode(), int(sys.argv[2]), float(sys.argv[3])
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        head = b""
        while b"\\r\\n\\r\\n" not in head:
            piece = self.request.recv(65536)
            if not piece:
                return
            head += piece
        time.sleep(seconds if b"/slow" in head else 0)
        self.request.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(name), name))
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 512
Server(("127.0.0.1", port), Handler).serve_forever()
"""


def free_port() -> int:
    """A port below those that the kernel gives to outgoing connections, so that none of them takes it."""
    while True:
        port = random.randrange(12_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(condition: Callable[[], object], problem: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, problem
        time.sleep(0.01)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def process(name: str, *, slow: float = 0.3) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """A server in a process of its own."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-S", "-c", SERVER, name, str(port), str(slow)])
    try:
        wait_until(lambda: answers(port), "the server does not start")
        yield port, server
    finally:
        server.kill()
        server.wait(timeout=5)


class Upstream:
    """An application on a loopback port; `handler` gets the head of each request and the connection."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.heads: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Wakes the thread that waits in accept; closing alone does not.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            head = read_head(connection)
            self.heads.append(head)
            self.handler(head, connection)


def saying(answer: bytes) -> Handler:
    """A handler that always gives this answer."""
    return lambda head, connection: connection.sendall(answer)


def plain(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def read_head(connection: socket.socket) -> bytes:
    """Byte for byte, so that nothing of the body is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            return head
        head += piece
    return head


def read_exactly(connection: socket.socket, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        piece = connection.recv(min(1 << 16, size - len(content)))
        if not piece:
            break
        content += piece
    return bytes(content)


def read_all(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    content = bytearray()
    while piece := connection.recv(1 << 16):
        content += piece
    return bytes(content)


def read_answer(connection: socket.socket) -> tuple[int, bytes, bytes]:
    """Status, head and body of an answer with a length or in chunks."""
    head = read_head(connection)
    if not head:
        raise ConnectionResetError("closed before an answer")
    lines = head.lower().split(b"\r\n")
    status = int(lines[0].split()[1])
    if b"transfer-encoding: chunked" in lines:
        return status, head, _read_chunks(connection)
    lengths = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")]
    body = read_exactly(connection, lengths[0]) if lengths else b""
    if lengths and len(body) < lengths[0]:
        raise ConnectionResetError("the answer was cut off")
    return status, head, body


def _read_chunks(connection: socket.socket) -> bytes:
    body = b""
    while True:
        line = b""
        while not line.endswith(b"\r\n"):
            piece = connection.recv(1)
            if not piece:
                raise ConnectionResetError("the answer was cut off")
            line += piece
        size = int(line, 16)
        chunk = read_exactly(connection, size + 2)
        if not size:
            return body
        body += chunk[:-2]


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(port: int, request: bytes) -> tuple[int, bytes, bytes]:
    """One request on a connection of its own."""
    with connect(port) as connection:
        connection.sendall(request)
        return read_answer(connection)


def get(port: int, path: str = "/", *lines: str) -> tuple[int, bytes, bytes]:
    return ask(port, request("GET", path, *lines))


def request(method: str, path: str = "/", *lines: str, body: bytes = b"") -> bytes:
    sized = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: app", *lines, *sized, "", ""]).encode() + body
