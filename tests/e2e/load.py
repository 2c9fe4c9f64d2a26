"""People who use an application while it is deployed: fifty requests a second, each answer looked at."""

import http.client
import json
import select
import threading
from urllib.parse import urlsplit

RATE = 50


def is_closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has closed a kept connection that was idle, as every client looks before it asks."""
    return connection.sock is not None and bool(select.select([connection.sock], [], [], 0)[0])


class Load:
    """Fifty requests a second, half of them over kept connections; counts what did not answer well."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.path = parts.hostname or "", parts.port or 80, parts.path or "/"
        self.failed: list[str] = []
        self.versions: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(keep,)) for keep in (True, False) for _ in range(2)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, keep: bool) -> None:
        connection = self.connect()
        pause = len(self._threads_planned) / RATE
        while not self._stop.wait(pause):
            try:
                if not keep or is_closed(connection):
                    connection = self.connect()
                was_kept = connection.sock is not None
                try:
                    self._ask(connection)
                except ConnectionError:
                    if not was_kept:
                        raise
                    # Closed while the request was on its way to it: a client asks once more, anew.
                    connection = self.connect()
                    self._ask(connection)
            except Exception as error:
                self.failed.append(repr(error))
                connection = self.connect()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        connection.request("GET", self.path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            self.failed.append(f"HTTP {answer.status}")
        else:
            self.versions.append(json.loads(body)["version"])

    _threads_planned = range(4)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=10)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=15)
