"""Heads as they go on: without what belongs to one hop, with what the application should know."""

from collections.abc import Collection
from http import HTTPStatus

from deployments.pipeline.proxies.relay.messages import Header, Request, Response

HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
# Ours to say. Servers that read `_` as `-` would take `X_Real_IP` for ours as well.
OURS = {
    b"host",
    b"content-length",
    b"expect",
    b"forwarded",
    b"proxy",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
    b"x-real-ip",
}
# A client must not take these away by naming them in its Connection header.
KEPT = {b"host", b"content-length", b"cookie", b"authorization", b"close", b"keep-alive", b"upgrade"}


def request_head(request: Request, client: bytes, strip_cookies: Collection[bytes]) -> bytes:
    """The head that the application gets; the connection to it serves this one request."""
    dropped = _named_in_connection(request.headers)
    forwarded = [value for name, _, value in request.headers if name == b"x-forwarded-for"]
    lines = [request.method + b" " + request.target + b" HTTP/1.1", b"Host: " + request.host]
    for name, shown, value in request.headers:
        if name in HOP_BY_HOP or name in dropped or name.replace(b"_", b"-") in OURS:
            continue
        if name == b"cookie":
            value = _without_cookies(value, strip_cookies)
            if not value:
                continue
        lines.append(shown + b": " + value)
    lines += [
        b"X-Forwarded-For: " + b", ".join([*forwarded, client]),
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: " + request.host,
        b"X-Real-IP: " + client,
    ]
    if request.chunked:
        lines.append(b"Transfer-Encoding: chunked")
    elif request.length or any(name == b"content-length" for name, _, _ in request.headers):
        lines.append(b"Content-Length: %d" % request.length)
    if request.upgrade:
        lines += [b"Connection: Upgrade", b"Upgrade: " + request.upgrade]
    else:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def response_head(
    response: Response, request: Request, strip_cookies: Collection[bytes], *, keep_alive: bool
) -> bytes:
    """The head that the client gets."""
    dropped = _named_in_connection(response.headers)
    lines = [b"HTTP/1.1 %d %s" % (response.status, response.reason)]
    # A length beside chunks would be a second truth; before 200 and with 204 there must be none.
    unsized = response.chunked or response.status < 200 or response.status == 204
    for name, shown, value in response.headers:
        if name in HOP_BY_HOP or name in dropped or (unsized and name == b"content-length"):
            continue
        if name == b"set-cookie" and _cookie_name(value) in strip_cookies:
            continue
        lines.append(shown + b": " + value)
    if response.status == 101:
        upgrade = [value for name, _, value in response.headers if name == b"upgrade"]
        lines += [b"Connection: Upgrade", b"Upgrade: " + (upgrade[0] if upgrade else request.upgrade)]
    elif response.status >= 200:
        if is_chunked_to_client(response, request):
            lines.append(b"Transfer-Encoding: chunked")
        if not keep_alive:
            lines.append(b"Connection: close")
        elif request.minor == 0:
            lines.append(b"Connection: keep-alive")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def is_chunked_to_client(response: Response, request: Request) -> bool:
    """A body of unknown length goes in chunks, to clients that know them."""
    return request.minor == 1 and (response.chunked or response.length is None)


def page(status: int, sentence: str, *, keep_alive: bool, with_body: bool = True) -> bytes:
    """An answer of our own: one plain sentence."""
    body = sentence.encode() + b"\n"
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body if with_body else b"")


def _named_in_connection(headers: list[Header]) -> set[bytes]:
    values = [value for name, _, value in headers if name == b"connection"]
    return {option.strip().lower() for value in values for option in value.split(b",")} - KEPT


def _without_cookies(value: bytes, names: Collection[bytes]) -> bytes:
    kept = [pair for pair in value.split(b";") if _cookie_name(pair) not in names]
    return b";".join(kept).strip()


def _cookie_name(pair: bytes) -> bytes:
    """The name before the value. A cookie without a name is sent back as `name=value` by browsers."""
    return pair.lstrip(b"= \t").partition(b"=")[0].partition(b";")[0].strip()
