"""A sentiment API on the standard library alone: nothing to install, so it is up in a moment."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sentiment import analyze

MAX_BODY = 1024 * 1024
INFO = {
    "name": "sentiment-api",
    "version": "1.0.0",
    "endpoints": {"GET /": "this page", "GET /health": "health", "POST /analyze": '{"text": "…"}'},
}


class Refused(Exception):
    """A request that cannot be answered, and what to say about it."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


class Handler(BaseHTTPRequestHandler):
    server: "Server"
    protocol_version = "HTTP/1.1"
    # A client that opens a connection and says nothing must not hold up the end of the server.
    timeout = 30

    def do_GET(self) -> None:
        with self.server.request():
            answers = {"/": INFO, "/health": {"status": "healthy"}}
            answer = answers.get(self.path.partition("?")[0])
            self.reply(200, answer) if answer else self.reply(404, {"error": "Not found"})

    def do_POST(self) -> None:
        with self.server.request():
            try:
                self.reply(200, self.analyze(self.read_json()))
            except Refused as refused:
                self.reply(refused.status, {"error": refused.error})

    def analyze(self, body: dict[str, object]) -> dict[str, object]:
        if self.path.partition("?")[0] != "/analyze":
            raise Refused(404, "Not found")
        text = body.get("text")
        if not isinstance(text, str) or not text.strip():
            raise Refused(400, "No text provided")
        return analyze(text)

    def read_json(self) -> dict[str, object]:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            # What was not read would be taken for the next request.
            self.close_connection = True
            raise Refused(
                413 if length.isdigit() else 411, "A body of at most 1 MB with its length is needed"
            )
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(400, "The body is no JSON") from None
        if not isinstance(body, dict):
            raise Refused(400, "The body must be a JSON object")
        return body

    def reply(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.server.stopping:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Ends after the requests that it has accepted; idle connections are not waited for."""

    daemon_threads = True
    request_queue_size = 128
    stopping = False

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, Handler)
        self.busy = 0
        self.idle = threading.Condition()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Counts a request as under way, so that a stop waits for its answer."""
        with self.idle:
            self.busy += 1
        try:
            yield
        finally:
            with self.idle:
                self.busy -= 1
                self.idle.notify_all()

    def stop(self, *_: object) -> None:
        self.stopping = True
        # `shutdown` waits for the loop that this very signal interrupted.
        threading.Thread(target=self.shutdown).start()

    def wait_until_idle(self, seconds: float) -> None:
        with self.idle:
            self.idle.wait_for(lambda: self.busy == 0, timeout=seconds)


def main() -> None:
    host, port = os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8000"))
    server = Server((host, port))
    signal.signal(signal.SIGTERM, server.stop)
    signal.signal(signal.SIGINT, server.stop)
    print(f"sentiment-api listens on {host}:{port}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    server.wait_until_idle(seconds=10)
    print("sentiment-api has stopped", flush=True)


if __name__ == "__main__":
    main()
