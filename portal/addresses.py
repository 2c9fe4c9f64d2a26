"""Where the portal listens and answers."""

import errno
import socket

from django.conf import settings

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104


def reachable_host() -> str:
    """An address under which this machine itself reaches the portal."""
    host: str = settings.HOST
    return EVERYWHERE.get(host, host)


def portal_url() -> str:
    """The portal's address for people."""
    if settings.PUBLIC_URL:
        public: str = settings.PUBLIC_URL
        return f"{public}/"
    host = reachable_host()
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}/"


def why_not_listen() -> str:
    """Why HOST:PORT cannot be opened, as a sentence; empty when it can."""
    where = f"{settings.HOST}:{settings.PORT}"
    try:
        found = socket.getaddrinfo(settings.HOST or None, settings.PORT, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"{where} is in use: is the portal running already? Otherwise choose a port: PORT=8001 make run"
        return f"The portal cannot listen on {where}: {error.strerror or error}."
    return ""
