"""Heads of HTTP messages: read strictly, and written anew for the next hop.

Two programs that read the same bytes in different ways are how requests are smuggled. So whatever could
be read in two ways is refused, and nothing is passed on that was not understood.
"""

import re
from dataclasses import dataclass

Header = tuple[bytes, bytes, bytes]  # name in lower case, name as it came, value

HEAD_LIMIT = 64 * 1024

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
_OTHER_VERSION = re.compile(_TOKEN + rb" \S+ HTTP/(?!1\.[01]$)[0-9](\.[0-9])?")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_HEADER_LINE = re.compile(rb"(" + _TOKEN + rb"):[\t ]*([\t\x20-\x7e\x80-\xff]*)")
_HOST = re.compile(rb"[0-9A-Za-z.:_~%!$&'()*+,;=\[\]-]*")
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)([/?].*)?", re.IGNORECASE)
_LENGTH = re.compile(rb"[0-9]{1,18}")


class Refused(Exception):
    """A message that we do not pass on, with the status and the sentence that say so."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(slots=True)
class Request:
    """The head of a request, understood."""

    method: bytes
    target: bytes
    minor: int  # of HTTP/1.x
    headers: list[Header]
    host: bytes
    length: int = 0
    chunked: bool = False
    keep_alive: bool = True
    upgrade: bytes = b""
    expects_continue: bool = False

    @property
    def is_idempotent(self) -> bool:
        return self.method in (b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE")

    @property
    def path(self) -> str:
        """Without the query, which may hold secrets."""
        return self.target.partition(b"?")[0].decode("latin-1")


@dataclass(slots=True)
class Response:
    """The head of a response, understood. A length of None: the body ends with the connection."""

    status: int
    reason: bytes
    headers: list[Header]
    length: int | None = None
    chunked: bool = False

    @property
    def has_body(self) -> bool:
        return self.chunked or self.length != 0


def parse_request(head: bytes) -> Request:
    """Read the head of a request, given without the empty line at its end."""
    first, _, rest = head.partition(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        if _OTHER_VERSION.fullmatch(first):
            raise Refused(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
        raise Refused(400, "The request line is malformed.")
    method, target, minor = line[1], line[2], int(line[3])
    headers = _headers(rest, 400)
    target, authority = _origin_form(method, target)
    hosts = [value for name, _, value in headers if name == b"host"]
    if len(hosts) > 1 or (minor == 1 and not hosts) or not all(_HOST.fullmatch(host) for host in hosts):
        raise Refused(400, "There must be one valid Host header.")
    request = Request(method, target, minor, headers, authority or (hosts[0] if hosts else b""))
    request.length, request.chunked = _request_framing(headers, minor)
    options = _options(headers)
    request.keep_alive = b"close" not in options and (minor == 1 or b"keep-alive" in options)
    request.expects_continue = minor == 1 and _value(headers, b"expect").lower() == b"100-continue"
    if b"upgrade" in options and minor == 1 and not request.length and not request.chunked:
        # h2c would turn the connection into one whose requests we cannot see.
        upgrade = _value(headers, b"upgrade")
        request.upgrade = b"" if b"h2c" in upgrade.lower() else upgrade
    return request


def parse_response(head: bytes, request_method: bytes) -> Response:
    """Read the head of a response to a request of this method."""
    first, _, rest = head.partition(b"\r\n")
    line = _STATUS_LINE.fullmatch(first)
    if line is None:
        raise Refused(502, "The application's answer is not HTTP.")
    response = Response(int(line[2]), line[3] or b"", _headers(rest, 502))
    if request_method == b"HEAD" or response.status < 200 or response.status in (204, 304):
        response.length = 0
        return response
    codings = _values(response.headers, b"transfer-encoding")
    if codings:
        if [coding.lower() for coding in codings] != [b"chunked"]:
            raise Refused(502, "The application's answer has a transfer coding that we do not know.")
        response.chunked = True
        return response
    lengths = set(_values(response.headers, b"content-length"))
    if len(lengths) > 1 or not all(_LENGTH.fullmatch(length) for length in lengths):
        raise Refused(502, "The application's answer has a wrong Content-Length.")
    response.length = int(lengths.pop()) if lengths else None
    return response


def _headers(block: bytes, status: int) -> list[Header]:
    if not block:
        return []
    headers: list[Header] = []
    for raw in block.split(b"\r\n"):
        line = _HEADER_LINE.fullmatch(raw)
        if line is None:
            # Among others: a folded line, a space before the colon, a bare CR or LF, a NUL.
            raise Refused(status, "A header line is malformed.")
        headers.append((line[1].lower(), line[1], line[2].rstrip(b"\t ")))
    return headers


def _origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes]:
    """The target as a server gets it, and the host when it was named there."""
    if method in (b"CONNECT", b"TRACE"):
        raise Refused(405, "This method is not allowed here.")
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target, b""
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not _HOST.fullmatch(absolute[1]):
        raise Refused(400, "The request target is malformed.")
    path = absolute[2] or b"/"
    return (path if path.startswith(b"/") else b"/" + path), absolute[1]


def _request_framing(headers: list[Header], minor: int) -> tuple[int, bool]:
    """How long the body is, or that it comes in chunks."""
    lengths, codings = _values(headers, b"content-length"), _values(headers, b"transfer-encoding")
    if codings:
        if lengths or minor == 0 or [coding.lower() for coding in codings] != [b"chunked"]:
            raise Refused(400, "The length of the body can be read in more than one way.")
        return 0, True
    if not lengths:
        return 0, False
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise Refused(400, "There must be one valid Content-Length.")
    return int(lengths[0]), False


def _options(headers: list[Header]) -> set[bytes]:
    """What the Connection headers name, in lower case."""
    return {
        option.strip().lower() for value in _values(headers, b"connection") for option in value.split(b",")
    }


def _values(headers: list[Header], wanted: bytes) -> list[bytes]:
    return [value for name, _, value in headers if name == wanted]


def _value(headers: list[Header], wanted: bytes) -> bytes:
    return next(iter(_values(headers, wanted)), b"")
