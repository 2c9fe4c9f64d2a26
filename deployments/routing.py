"""The addresses of sockets, and the check that only our own pages open them."""

import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from channels.routing import URLRouter
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.urls import re_path

from deployments.consumers import DeploymentConsumer

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[Any]]

PORTS = {"http": 80, "https": 443}


class OriginCheck:
    """Lets a socket through only when scheme, host and port of its origin are ours.

    Browsers send cookies with sockets that any page opens, also a page of an application that runs on
    another port of our host; its origin is the only thing that tells them apart.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not is_ours(headers):
            logger.warning("A socket from the origin %r was refused.", headers.get(b"origin", "")[:200])
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.application(scope, receive, send)


def is_ours(headers: dict[bytes, str]) -> bool:
    """Tell whether these headers come from one of our pages, or from a machine that brings a token."""
    host, _ = split_domain_port(headers.get(b"host", ""))
    if not host or not validate_host(host, settings.ALLOWED_HOSTS):
        return False
    given = headers.get(b"origin")
    if given is None:
        # Not a browser: its cookie is not taken, so it cannot be a browser's that was borrowed.
        return b"authorization" in headers
    origin = _split(given)
    return origin is not None and origin in set(_allowed(headers))


def _allowed(headers: dict[bytes, str]) -> Iterator[tuple[str, str, int] | None]:
    yield _split(f"{_scheme(headers)}://{headers.get(b'host', '')}")
    yield _split(settings.PUBLIC_URL)
    for trusted in settings.CSRF_TRUSTED_ORIGINS:
        if "*" not in trusted:
            yield _split(trusted)


def _scheme(headers: dict[bytes, str]) -> str:
    """How the page was fetched: as our own settings say, or as the proxy in front of us does."""
    if settings.SECURE_COOKIES:
        return "https"
    forwarded = headers.get(b"x-forwarded-proto", "") if settings.TRUSTED_PROXIES else ""
    return "https" if forwarded == "https" else "http"


def _split(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no origin, such as the `null` of a sandboxed page."""
    try:
        parts = urlsplit(address)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname or parts.username or parts.path.strip("/"):
        return None
    return parts.scheme, parts.hostname, port


async def _not_there(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})


consumer: Any = DeploymentConsumer.as_asgi()
websocket_application: Application = OriginCheck(
    URLRouter(
        [
            re_path(r"^ws/$", consumer),
            re_path(r"^ws/deployments/(?P<identifier>[0-9a-fA-F-]{8,36})/$", consumer),
            re_path("", _not_there),  # type: ignore[arg-type]
        ]
    )
)
