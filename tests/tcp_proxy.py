"""A TCP proxy in between that drops connections, or swallows what goes through them."""

import contextlib
import socket
import threading


class TCPProxy:
    """Passes on to a loopback port until it is told otherwise."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.dropped = 0
        self._lock = threading.Lock()
        self._pairs: list[_Pair] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "TCPProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Cut all connections."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self.dropped += 1
            pair.close()

    def swallow(self) -> None:
        """The connections of now stay open and pass nothing on any more."""
        with self._lock:
            for pair in self._pairs:
                pair.swallows = True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                try:
                    theirs = socket.create_connection(("127.0.0.1", self._to), timeout=5)
                except OSError:
                    ours.close()
                    continue
                theirs.settimeout(None)
                pair = _Pair(ours, theirs)
                with self._lock:
                    self._pairs.append(pair)


class _Pair:
    def __init__(self, ours: socket.socket, theirs: socket.socket) -> None:
        self.swallows = False
        self._sockets = (ours, theirs)
        for one, other in ((ours, theirs), (theirs, ours)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def close(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(1 << 16):
                if not self.swallows:
                    other.sendall(piece)
        self.close()
