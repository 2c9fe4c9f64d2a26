"""Asks a loopback port of a host for a page, over whatever connection the host offers."""

import http.client
from dataclasses import dataclass

from instances.hosts.base import Host, HostError

BODY_LIMIT = 4096


@dataclass(frozen=True)
class Answer:
    """What the port said: a status, or the reason why there was none."""

    status: int | None
    body: str = ""
    trouble: str = ""

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 400

    def __str__(self) -> str:
        return self.trouble if self.status is None else f"HTTP {self.status}"


class _HostConnection(http.client.HTTPConnection):
    """An HTTP connection over a socket that the host opens."""

    def __init__(self, host: Host, port: int, timeout: float) -> None:
        super().__init__("127.0.0.1", port, timeout=timeout)
        self._portal_host = host
        self._deadline = timeout

    def connect(self) -> None:
        self.sock = self._portal_host.connect(self.port, timeout=self._deadline)


def get(host: Host, port: int, path: str, *, timeout: float = 5) -> Answer:
    """GET a path; redirects are an answer and are not followed."""
    connection = _HostConnection(host, port, timeout)
    try:
        connection.request("GET", path, headers={"User-Agent": "portal-health-check", "Connection": "close"})
        response = connection.getresponse()
        return Answer(response.status, response.read(BODY_LIMIT).decode(errors="replace"))
    except ConnectionRefusedError:
        return Answer(None, trouble="nothing listens there yet")
    except TimeoutError:
        return Answer(None, trouble=f"no answer within {timeout:g} s")
    except HostError as error:
        return Answer(None, trouble=str(error))
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, trouble=f"the connection broke ({type(error).__name__})")
    finally:
        connection.close()
