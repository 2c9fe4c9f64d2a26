"""How the built-in proxy reads heads and writes them anew; tables of what it takes and what it refuses."""

import json
from pathlib import Path

import pytest

from deployments.pipeline.proxies.base import Route
from deployments.pipeline.proxies.relay.access_log import AccessLog
from deployments.pipeline.proxies.relay.messages import Refused, parse_request, parse_response
from deployments.pipeline.proxies.relay.rewriting import request_head, response_head
from deployments.pipeline.proxies.relay.table import read_route

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"

# Heads that two programs could read in different ways, or that are no HTTP at all.
AMBIGUOUS = [
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:",
    b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded: 2",
    b"GET / HTTP/1.1\r\n Host: a",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\nContent-Length: 3",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b",
    b"GET / HTTP/1.1\r\nHost: a\r\n: empty",
    b"GET / HTTP/1.1\r\nHost: a\r\nno colon",
    b"GET / HTTP/1.1\r\nHost: a\r\nX(y): 1",
    b"GET / HTTP/1.1",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b",
    b"GET / HTTP/1.1\r\nHost: a/b",
    b"GET / HTTP/1.1\r\nHost: a@b",
    b"GET  / HTTP/1.1\r\nHost: a",
    b"GET / HTTP/1.1 \r\nHost: a",
    b"GET /a b HTTP/1.1\r\nHost: a",
    b"GET /\t HTTP/1.1\r\nHost: a",
    b"GET\t/ HTTP/1.1\r\nHost: a",
    b"G@T / HTTP/1.1\r\nHost: a",
    b"GET a HTTP/1.1\r\nHost: a",
    b"GET * HTTP/1.1\r\nHost: a",
    b"GET http://u@h/ HTTP/1.1\r\nHost: a",
    b"GET ftp://h/ HTTP/1.1\r\nHost: a",
    b"GET /",
    b"\x16\x03\x01\x02",
]


@pytest.mark.parametrize("head", AMBIGUOUS)
def test_a_head_that_can_be_read_in_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse_request(head)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/2.0\r\nHost: a", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a", 405),
        (b"TRACE / HTTP/1.1\r\nHost: a", 405),
    ],
)
def test_what_we_do_not_speak_is_refused(head: bytes, status: int) -> None:
    with pytest.raises(Refused) as refused:
        parse_request(head)
    assert refused.value.status == status


def test_a_plain_request_is_understood() -> None:
    request = parse_request(b"POST /a?b=c HTTP/1.1\r\nHost: a:1\r\nContent-Length: 12\r\nX-Empty:")
    assert (request.method, request.target, request.host) == (b"POST", b"/a?b=c", b"a:1")
    assert (request.length, request.chunked, request.keep_alive, request.path) == (12, False, True, "/a")
    assert request.headers[-1] == (b"x-empty", b"X-Empty", b"")


def test_a_full_url_becomes_a_path_and_a_host() -> None:
    request = parse_request(b"GET http://b:8/x?y HTTP/1.1\r\nHost: a")
    assert (request.target, request.host) == (b"/x?y", b"b:8")
    assert parse_request(b"GET http://b?y HTTP/1.1\r\nHost: a").target == b"/?y"


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (GET[:-2], True),
        (GET + b"Connection: close", False),
        (GET + b"Connection: x, CLOSE", False),
        (b"GET / HTTP/1.0", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive", True),
    ],
)
def test_the_client_says_whether_the_connection_stays(head: bytes, keep_alive: bool) -> None:
    assert parse_request(head).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("lines", "upgrade"),
    [
        (b"Connection: Upgrade\r\nUpgrade: websocket", b"websocket"),
        (b"Upgrade: websocket", b""),
        (b"Connection: upgrade\r\nUpgrade: h2c", b""),
        (b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3", b""),
    ],
)
def test_only_a_clean_upgrade_is_one(lines: bytes, upgrade: bytes) -> None:
    assert parse_request(GET + lines).upgrade == upgrade


def passed_on(*lines: bytes) -> list[bytes]:
    request = parse_request(GET + b"\r\n".join(lines))
    return request_head(request, b"192.0.2.7", {b"portal_session"}).split(b"\r\n")


def test_the_application_learns_who_asked_and_nobody_else_says_so() -> None:
    lines = passed_on(
        b"X-Real-IP: 6.6.6.6",
        b"X_Real_IP: 6.6.6.6",
        b"X-Forwarded-For: 203.0.113.9",
        b"X-Forwarded-Proto: https",
        b"X_Forwarded_Host: evil",
        b"Forwarded: for=6.6.6.6",
        b"Proxy: http://evil",
    )
    assert lines == [
        b"GET / HTTP/1.1",
        b"Host: a",
        b"X-Forwarded-For: 203.0.113.9, 192.0.2.7",
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: a",
        b"X-Real-IP: 192.0.2.7",
        b"Connection: close",
        b"",
        b"",
    ]


def test_what_belongs_to_one_hop_stays_there() -> None:
    lines = passed_on(
        b"Connection: close, X-Private, Cookie",
        b"X-Private: 1",
        b"Cookie: a=b",
        b"TE: trailers",
        b"Keep-Alive: 5",
    )
    assert b"Cookie: a=b" in lines
    assert not [line for line in lines if line.startswith((b"X-Private", b"TE", b"Keep-Alive"))]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"portal_session=1", None),
        (b"a=1; portal_session=s; b=2", b"Cookie: a=1; b=2"),
        (b"portal_session=1;portal_session=2", None),
        (b"a=portal_session=1", b"Cookie: a=portal_session=1"),
        (b"xportal_session=1", b"Cookie: xportal_session=1"),
    ],
)
def test_the_portals_cookies_do_not_reach_the_application(sent: bytes, kept: bytes | None) -> None:
    cookies = [line for line in passed_on(b"Cookie: " + sent) if line.startswith(b"Cookie")]
    assert cookies == ([kept] if kept else [])


def test_an_application_cannot_set_the_portals_cookies() -> None:
    response = parse_response(
        b"HTTP/1.0 200 OK\r\nSet-Cookie: portal_session=evil; Path=/\r\nSet-Cookie: a=1\r\n"
        b"set-cookie: =portal_session=evil\r\nContent-Length: 0\r\nConnection: close",
        b"GET",
    )
    head = response_head(response, parse_request(GET[:-2]), {b"portal_session"}, keep_alive=True)
    assert head == b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "method", "length", "chunked"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", b"GET", 5, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5", b"GET", 5, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", b"GET", None, True),
        (b"HTTP/1.1 200", b"GET", None, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", b"HEAD", 0, False),
        (b"HTTP/1.1 204 No Content", b"GET", 0, False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5", b"GET", 0, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", b"HEAD", 0, False),
    ],
)
def test_the_end_of_an_answer_is_known(head: bytes, method: bytes, length: int | None, chunked: bool) -> None:
    response = parse_response(head, method)
    assert (response.length, response.chunked) == (length, chunked)


@pytest.mark.parametrize(
    "head",
    [
        b"ICY 200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        b"HTTP/1.1 200 OK\r\nContent-Length: x",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
        b"HTTP/1.1 200 OK\r\nX : 1",
        b"HTTP/1.1 200 OK\r\nX: 1\n\r\ninjected",
    ],
)
def test_a_malformed_answer_is_a_bad_gateway(head: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse_response(head, b"GET")
    assert refused.value.status == 502


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        {},
        {"site": "a", "public_port": 1},
        {"site": "../a", "public_port": 1, "upstream_port": 2},
        {"site": "a", "public_port": 0, "upstream_port": 2},
        {"site": "a", "public_port": 1, "upstream_port": 65536},
        {"site": "a", "public_port": True, "upstream_port": 2},
        {"site": "a", "public_port": 1, "upstream_port": 2, "fallback_port": "3"},
    ],
)
def test_a_stored_route_that_is_none_is_refused(stored: object) -> None:
    with pytest.raises(ValueError, match="route|site|port"):
        read_route(stored)


def test_a_stored_route_is_read() -> None:
    stored = {"site": "a", "public_port": 1, "upstream_port": 2}
    assert read_route(stored) == Route("a", 1, 2)


def test_the_access_log_keeps_a_few_files_of_limited_size(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log", size_limit=100, kept=2)
    for number in range(20):
        log.add(number=number, path="/" + "x" * 60)
        log.flush()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["access.log", "access.log.1"]
    assert json.loads((tmp_path / "access.log").read_text().splitlines()[-1])["number"] == 19
    assert all(path.stat().st_size < 300 for path in tmp_path.iterdir())


def test_a_log_that_cannot_be_written_costs_lines_only(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "missing" / "access.log")
    log.add(number=1)
    log.flush()
    assert log.dropped == 1
