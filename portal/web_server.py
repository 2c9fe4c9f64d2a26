"""daphne, with the few things it lacks: bodies refused early and never parsed by it, and a gentle stop."""

import asyncio
import json
import logging
from typing import Any

import daphne.server
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server
from twisted.internet import defer, reactor

from portal.web_sockets import PortalWebSocketFactory
from portal.wsgi_bridge import BODY_LIMIT

logger = logging.getLogger(__name__)

# How long requests in progress may take when the server stops, and a refused client may go on talking.
DRAIN_SECONDS = 5.0
LINGER_SECONDS = 2.0
# In the shape of the API's errors; Django, which makes the others, is not asked.
TOO_LARGE = json.dumps(
    {
        "type": "/docs#problem-too_large", "title": "Request Entity Too Large", "status": 413,
        "detail": "The body is larger than 1 MiB.", "instance": "", "code": "too_large", "errors": [],
        "request_id": "", "success": False, "error": "The body is larger than 1 MiB.",
    }
).encode()  # fmt: skip
WEBSOCKET_MESSAGE_BYTES = 16 * 1024
GARBAGE_OBJECTS = 20_000


class PortalRequest(WebRequest):  # type: ignore[misc]
    """A request whose body is counted while it arrives; daphne would collect any amount first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Twisted would parse forms in the event loop, with many times their size in memory.
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)
        self._received = 0
        self._refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802  (Twisted's name)
        super().gotLength(min(length or 0, BODY_LIMIT) if length is not None else None)
        if length is not None and length > BODY_LIMIT:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  (Twisted's name)
        self._received += len(data)
        if self._received > BODY_LIMIT:
            self._refuse()
        elif not self._refused:
            super().handleContentChunk(data)

    def _refuse(self) -> None:
        """Answer 413 at once; go on reading a little, or the client never sees the answer."""
        if self._refused:
            return
        self._refused = True
        self.requestHeaders.removeHeader(b"expect")
        body = TOO_LARGE
        channel, transport = self.channel, self.channel.transport
        channel.dataReceived = lambda data: None
        transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
            b"Content-Type: application/problem+json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        transport.loseWriteConnection()
        reactor.callLater(LINGER_SECONDS, transport.abortConnection)

    def process(self) -> Any:
        return None if self._refused else super().process()


class PortalFactory(HTTPFactory):  # type: ignore[misc]
    """Makes our requests instead of daphne's."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802  (Twisted's name)
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = PortalRequest
        return protocol


class PortalServer(Server):  # type: ignore[misc]
    """Stops in order: no new connections, running requests to their end, then the sockets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ports: list[Any] = []

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        self._ports.append(port)

    def kill_all_applications(self) -> Any:
        """Called by daphne when it shuts down; what it returns is waited for."""
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._drain()))

    async def _drain(self) -> None:
        for port in self._ports:
            port.stopListening()
        requests = self._running(WebRequest)
        if requests:
            await asyncio.wait(requests, timeout=DRAIN_SECONDS)
        for task in self._running(object):
            task.cancel()

    def _running(self, kind: type) -> list[Any]:
        """The applications that still work for a connection of this kind."""
        found = [
            details.get("application_instance")
            for protocol, details in self.connections.items()
            if isinstance(protocol, kind)
        ]
        return [task for task in found if task is not None and not task.done()]


def serve(application: Any, *, endpoints: list[str]) -> bool:
    """Serve until told to stop; False when the address could not be opened."""
    # daphne makes its factories by these names, and offers no other way.
    daphne.server.HTTPFactory = PortalFactory
    daphne.server.WebSocketFactory = PortalWebSocketFactory
    server = PortalServer(
        application,
        endpoints=endpoints,
        server_name="",
        verbosity=0,
        websocket_handshake_timeout=5,
        websocket_max_message_size=WEBSOCKET_MESSAGE_BYTES,
        websocket_max_frame_size=WEBSOCKET_MESSAGE_BYTES,
    )
    server.run()
    return not server.abort_start
