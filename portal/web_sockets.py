"""daphne's WebSocket, with what it lacks: any close code, and messages out that may be larger than those in."""

from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

TEXT, BINARY = 1, 2


class PortalWebSocket(WebSocketProtocol):  # type: ignore[misc]
    """Sends frames itself: autobahn's own way allows no 1008 and applies the limit for clients to us."""

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:  # noqa: N802  (daphne's name)
        if self.state == self.STATE_CONNECTING:
            self.serverAccept()
        if self.state == self.STATE_OPEN:
            payload = content.encode() if isinstance(content, str) else content
            self.sendFrame(opcode=BINARY if binary else TEXT, payload=payload)

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802  (daphne's name)
        self.sendCloseFrame(code=1000 if code is None else code)


class PortalWebSocketFactory(WebSocketFactory):  # type: ignore[misc]
    """Makes our sockets instead of daphne's."""

    protocol = PortalWebSocket
