"""A real NGINX driven as on a server: switched under load, given bad files, asked for all it serves."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments.pipeline.health import probe_site
from deployments.pipeline.proxies.base import PortTaken, ProxyOptions, ProxyRefused, Route
from deployments.pipeline.proxies.nginx import NginxProxy
from instances.hosts.base import HostError
from tests import nginx_server
from tests.integration.http_tools import (
    Handler,
    Upstream,
    ask,
    connect,
    free_port,
    get,
    plain,
    process,
    read_answer,
    read_exactly,
    read_head,
    request,
    saying,
    wait_until,
)

pytestmark = pytest.mark.nginx

Serve = Callable[[Handler], Upstream]


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[NginxProxy]:
    with nginx_server.running(tmp_path) as proxy:
        yield proxy


@pytest.fixture
def serve() -> Iterator[Serve]:
    upstreams: list[Upstream] = []

    def start(handler: Handler) -> Upstream:
        upstreams.append(Upstream(handler))
        return upstreams[-1]

    yield start
    for upstream in upstreams:
        upstream.close()


def file_in(proxy: NginxProxy, name: str) -> Path:
    return Path(proxy.layout.conf) / name


def get_as(port: int, hostname: str, path: str = "/", *lines: str) -> tuple[int, bytes, bytes]:
    text = "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {hostname}", *lines, "", ""])
    return ask(port, text.encode())


def test_a_site_answers_on_its_port_at_once(proxy: NginxProxy, serve: Serve) -> None:
    app = serve(saying(plain(b"hello")))
    route = Route("a", free_port(), app.port)

    proxy.apply(route)

    assert get(route.public_port)[2] == b"hello"
    assert proxy.status()["a"].route == route
    assert proxy.address(route) == f"http://127.0.0.1:{route.public_port}/"


def test_no_request_fails_while_sites_are_switched_under_load(proxy: NginxProxy) -> None:
    with process("old") as (old, _), process("new") as (new, _):
        public = free_port()
        proxy.apply(Route("a", public, old))
        bodies: list[bytes] = []
        failures: list[object] = []
        done = threading.Event()

        def load() -> None:
            while not done.is_set():
                try:
                    status, _, body = get(public)
                    bodies.append(body)
                    if status != 200:
                        failures.append(status)
                except OSError as error:
                    failures.append(error)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for turn in range(50):
            port, name = (new, b"new") if turn % 2 == 0 else (old, b"old")
            proxy.apply(Route("a", public, port))
            # Whoever asks after the switch gets the new version, without exception.
            assert {get(public)[2] for _ in range(5)} == {name}
        done.set()
        for thread in threads:
            thread.join()

    assert failures == []
    assert {b"old", b"new"} == set(bodies)
    assert len(bodies) > 500


def test_a_bad_directive_is_refused_in_its_own_words_and_the_old_site_answers_on(
    proxy: NginxProxy, serve: Serve
) -> None:
    app = serve(saying(plain(b"sound")))
    route = Route("a", free_port(), app.port)
    proxy.apply(route)
    before = file_in(proxy, "portal/sites/a.conf").read_text()
    foreign = file_in(proxy, "conf.d/foreign.conf")
    foreign.write_text("no_such_directive on;\n")

    with pytest.raises(ProxyRefused, match='unknown directive "no_such_directive"'):
        proxy.apply(replace(route, upstream_port=1))

    assert get(route.public_port)[2] == b"sound"
    assert file_in(proxy, "portal/sites/a.conf").read_text() == before
    foreign.unlink()
    proxy.apply(route)
    assert proxy.status()["a"].error == ""


def test_sites_applied_at_once_do_not_lose_each_other(proxy: NginxProxy, serve: Serve) -> None:
    apps = {f"site-{number}": serve(saying(plain(b"%d" % number))) for number in range(6)}
    routes = [Route(site, free_port(), app.port) for site, app in apps.items()]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(proxy.apply, routes))

    assert set(proxy.status()) == set(apps)
    assert [get(route.public_port)[2] for route in routes] == [b"%d" % number for number in range(6)]


def test_nothing_is_reloaded_when_nothing_changed(proxy: NginxProxy, serve: Serve) -> None:
    route = Route("a", free_port(), serve(saying(plain(b"x"))).port, basic_auth="ann:correct horse")
    proxy.apply(route)
    generation = file_in(proxy, "portal/generation").read_text()

    proxy.apply(route)
    proxy.ensure()

    assert file_in(proxy, "portal/generation").read_text() == generation


def test_the_fallback_answers_while_nobody_takes_the_connection(proxy: NginxProxy, serve: Serve) -> None:
    old = serve(saying(plain(b"old")))
    with process("new") as (new, server):
        route = Route("a", free_port(), new, fallback_port=old.port)
        proxy.apply(route)
        assert get(route.public_port)[2] == b"new"
        server.kill()
        server.wait(timeout=5)

        assert [get(route.public_port)[2] for _ in range(5)] == [b"old"] * 5


def test_sites_are_told_apart_by_name(proxy: NginxProxy, serve: Serve) -> None:
    port = proxy.layout.http
    for name in ("one", "two"):
        app = serve(saying(plain(name.encode())))
        proxy.apply(Route(name, 80, app.port, hostnames=(f"{name}.example.org",)))

    assert get_as(port, "one.example.org")[2] == b"one"
    assert get_as(port, "two.example.org")[2] == b"two"
    status, _, body = get_as(port, "three.example.org")
    assert (status, body) == (404, b"No application answers here.\n")


def test_a_name_that_another_site_has_is_refused(proxy: NginxProxy, serve: Serve) -> None:
    app = serve(saying(plain(b"first")))
    proxy.apply(Route("a", 80, app.port, hostnames=("app.example.org",)))

    with pytest.raises(ProxyRefused, match="conflicting server name"):
        proxy.apply(Route("b", 80, 1, hostnames=("app.example.org",)))

    assert get_as(proxy.layout.http, "app.example.org")[2] == b"first"
    assert set(proxy.status()) == {"a"}


def test_sites_are_told_apart_by_path_beside_the_site_of_the_port(proxy: NginxProxy, serve: Serve) -> None:
    port = proxy.layout.http
    inner, root = serve(saying(plain(b"inner"))), serve(saying(plain(b"root")))
    proxy.apply(Route("inner", port, inner.port, path_prefix="/iris"))
    assert get(port, "/")[0] == 404
    proxy.apply(Route("root", port, root.port))

    assert get(port, "/iris/predict?x=1")[2] == b"inner"
    assert get(port, "/irish")[2] == b"root"
    status, head, _ = get(port, "/iris")
    assert (status, b"location: /iris/\r\n" in head.lower()) == (308, True)
    seen = inner.heads[-1].lower()
    assert seen.startswith(b"get /predict?x=1 http/1.1")
    assert b"x-forwarded-prefix: /iris\r\n" in seen

    proxy.remove("root")
    assert get(port, "/iris/")[2] == b"inner"
    assert get(port, "/")[0] == 404


def test_the_application_is_told_who_asks(proxy: NginxProxy, serve: Serve) -> None:
    app = serve(saying(plain(b"x")))
    route = Route("a", free_port(), app.port)
    proxy.apply(route)

    get_as(route.public_port, "churn.example.org:8080", "/", "Proxy: http://evil")

    seen = app.heads[-1].lower()
    assert b"host: churn.example.org:8080\r\n" in seen
    assert b"x-real-ip: 127.0.0.1\r\n" in seen
    assert b"x-forwarded-for: 127.0.0.1\r\n" in seen
    assert b"x-forwarded-proto: http\r\n" in seen
    assert b"evil" not in seen


def echo(head: bytes, connection: socket.socket) -> None:
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    )
    connection.sendall(read_exactly(connection, 5)[::-1])
    # Stays open until the other side has gone.
    connection.recv(1)


def test_websockets_pass_and_count_as_under_way(proxy: NginxProxy, serve: Serve) -> None:
    app = serve(echo)
    route = Route("a", free_port(), app.port)
    proxy.apply(route)
    with connect(route.public_port) as client:
        client.sendall(request("GET", "/ws", "Upgrade: websocket", "Connection: Upgrade"))
        assert b" 101 " in read_head(client)
        client.sendall(b"hello")

        assert read_exactly(client, 5) == b"olleh"
        assert proxy.status()["a"].in_flight[app.port] == 1
    wait_until(lambda: not proxy.status()["a"].in_flight.get(app.port), "it counts what has ended")


def test_an_open_websocket_neither_delays_a_switch_nor_is_cut(proxy: NginxProxy, serve: Serve) -> None:
    old, new = serve(echo), serve(saying(plain(b"new")))
    route = Route("a", free_port(), old.port)
    proxy.apply(route)
    with connect(route.public_port) as client:
        client.sendall(request("GET", "/ws", "Upgrade: websocket", "Connection: Upgrade"))
        assert b" 101 " in read_head(client)

        began = time.monotonic()
        proxy.apply(replace(route, upstream_port=new.port))

        assert time.monotonic() - began < 5
        assert get(route.public_port)[2] == b"new"
        assert proxy.status()["a"].in_flight[old.port] == 1
        client.sendall(b"hello")
        assert read_exactly(client, 5) == b"olleh"


def test_websockets_can_be_kept_out(proxy: NginxProxy, serve: Serve) -> None:
    app = serve(saying(plain(b"x")))
    route = Route("a", free_port(), app.port, options=ProxyOptions(websockets=False))
    proxy.apply(route)

    get(route.public_port, "/", "Upgrade: websocket", "Connection: Upgrade")

    assert b"upgrade" not in app.heads[-1].lower()


def test_a_body_above_the_limit_is_refused(proxy: NginxProxy, serve: Serve) -> None:
    def take(head: bytes, connection: socket.socket) -> None:
        read_exactly(connection, 900_000)
        connection.sendall(plain(b"taken"))

    route = Route("a", free_port(), serve(take).port, options=ProxyOptions(body_mb=1))
    proxy.apply(route)

    assert ask(route.public_port, request("POST", "/", body=b"x" * 900_000))[2] == b"taken"
    with connect(route.public_port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        assert read_head(client).startswith(b"HTTP/1.1 413")


def test_a_slow_answer_is_given_up_after_its_time(proxy: NginxProxy, serve: Serve) -> None:
    def sleep(head: bytes, connection: socket.socket) -> None:
        time.sleep(3)

    fallback = serve(saying(plain(b"never")))
    route = Route(
        "a", free_port(), serve(sleep).port, fallback_port=fallback.port, options=ProxyOptions(read_seconds=1)
    )
    proxy.apply(route)

    assert get(route.public_port)[0] == 504
    assert fallback.heads == []


def test_headers_are_added_and_quoted(proxy: NginxProxy, serve: Serve) -> None:
    headers = {"X-Frame-Options": "DENY", "X-Odd": 'say "a;b}" \\ {'}
    route = Route("a", free_port(), serve(saying(plain(b"x"))).port, options=ProxyOptions(headers=headers))
    proxy.apply(route)

    head = get(route.public_port)[1]

    assert b"X-Frame-Options: DENY\r\n" in head
    assert b'X-Odd: say "a;b}" \\ {\r\n' in head


def test_only_allowed_networks_may_ask(proxy: NginxProxy, serve: Serve) -> None:
    app = serve(saying(plain(b"x")))
    route = Route("a", free_port(), app.port, options=ProxyOptions(allow=("10.0.0.0/8",)))
    proxy.apply(route)
    assert get_from("127.0.0.2", route.public_port) == 403

    proxy.apply(replace(route, options=ProxyOptions(allow=("10.0.0.0/8", "127.0.0.2"))))
    assert get_from("127.0.0.2", route.public_port) == 200


def test_the_health_check_of_a_site_for_some_networks_gets_through(proxy: NginxProxy, serve: Serve) -> None:
    app = serve(saying(plain(b"x")))
    route = Route("a", free_port(), app.port, options=ProxyOptions(allow=("10.0.0.0/8",)))
    proxy.apply(route)
    assert probe_site(proxy.host, route, "/").ok


def test_a_password_is_asked_for_and_never_lies_there_in_clear(proxy: NginxProxy, serve: Serve) -> None:
    app = serve(saying(plain(b"in")))
    route = Route("a", free_port(), app.port, basic_auth="ann:correct horse battery")
    proxy.apply(route)

    assert get(route.public_port)[0] == 401
    right = "Authorization: Basic YW5uOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ=="
    assert get(route.public_port, "/", right)[2] == b"in"
    assert b"authorization" not in app.heads[-1].lower()
    files = [path.read_text() for path in file_in(proxy, "portal").rglob("*") if path.is_file()]
    assert not any("correct horse" in text for text in files)
    assert "correct horse" not in repr(route)

    proxy.apply(replace(route, basic_auth=""))
    assert get(route.public_port)[0] == 200


def test_a_port_of_another_program_is_not_taken(proxy: NginxProxy, serve: Serve) -> None:
    app = serve(saying(plain(b"mine")))
    route = Route("a", free_port(), app.port)
    proxy.apply(route)
    with socket.create_server(("0.0.0.0", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(PortTaken, match=str(taken)):
            proxy.apply(replace(route, public_port=taken))

    assert get(route.public_port)[2] == b"mine"
    assert proxy.status()["a"].route == route


def test_a_port_of_another_site_is_refused(proxy: NginxProxy, serve: Serve) -> None:
    route = Route("a", free_port(), serve(saying(plain(b"mine"))).port)
    proxy.apply(route)

    with pytest.raises(ProxyRefused, match="duplicate default server"):
        proxy.apply(replace(route, site="b"))

    assert get(route.public_port)[2] == b"mine"


def test_a_removed_site_answers_no_more(proxy: NginxProxy, serve: Serve) -> None:
    route = Route("a", free_port(), serve(saying(plain(b"x"))).port, basic_auth="ann:correct horse")
    proxy.apply(route)

    proxy.remove("a")
    proxy.remove("a")

    with pytest.raises(OSError):
        get(route.public_port)
    assert proxy.status() == {}
    assert not list(file_in(proxy, "portal/auth").iterdir())


def test_it_is_started_when_it_does_not_run(proxy: NginxProxy, serve: Serve) -> None:
    route = Route("a", free_port(), serve(saying(plain(b"x"))).port)
    proxy.apply(route)
    nginx_server.end(proxy.layout)
    with pytest.raises(HostError, match="does not run"):
        proxy.status()

    proxy.ensure()

    assert get(route.public_port)[2] == b"x"


def test_half_a_change_is_taken_back_by_the_next_one(proxy: NginxProxy, serve: Serve) -> None:
    """As when the machine loses its power between the files."""
    route = Route("a", free_port(), serve(saying(plain(b"x"))).port)
    proxy.apply(route)
    portal = file_in(proxy, "portal")
    subprocess.run(["cp", "-a", str(portal), str(file_in(proxy, "portal.previous"))], check=True)
    (portal / "sites" / "half.conf").write_text("server {")
    (portal / "generation").write_text("never served")

    proxy.apply(Route("b", free_port(), 1))

    assert set(proxy.status()) == {"a", "b"}
    assert not (portal / "sites" / "half.conf").exists()


def test_each_request_is_one_line_of_json(proxy: NginxProxy, serve: Serve) -> None:
    app = serve(saying(plain(b"hello")))
    route = Route("a", free_port(), app.port)
    proxy.apply(route)
    get(route.public_port, "/x?token=1", 'User-Agent: odd "quotes" \\')
    get(route.public_port, "/y")

    last = [json.loads(line) for line in proxy.access_log("a", 5)]

    assert [entry["path"] for entry in last] == ["/x", "/y"]
    assert (last[0]["status"], last[0]["site"], last[0]["method"]) == ("200", "a", "GET")
    assert last[0]["agent"] == 'odd "quotes" \\'
    assert last[0]["upstream"] == f"127.0.0.1:{app.port}"
    assert proxy.access_log("b") == []


def test_complaints_can_be_read(proxy: NginxProxy) -> None:
    route = Route("a", free_port(), free_port())
    proxy.apply(route)
    assert get(route.public_port)[0] == 502

    assert "connect() failed" in proxy.error_log(5)[-1]


def test_a_challenge_is_answered_without_a_password(proxy: NginxProxy, serve: Serve) -> None:
    route = Route(
        "a", 80, serve(saying(plain(b"x"))).port, hostnames=("app.example.org",), https=True,
        options=ProxyOptions(allow=("10.0.0.0/8",)), basic_auth="ann:correct horse",
    )  # fmt: skip
    folder = Path(proxy.layout.challenges) / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "token").write_text("proof")
    path = "/.well-known/acme-challenge/token"

    proxy.answer_challenges(route)
    assert get_as(proxy.layout.http, "app.example.org", path)[2] == b"proof"
    proxy.apply(route)
    assert get_as(proxy.layout.http, "app.example.org", path)[2] == b"proof"
    assert get_as(proxy.layout.http, "app.example.org")[0] == 401


def get_from(address: str, port: int) -> int:
    """The status that a visitor with this address of our own gets."""
    with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(address, 0)) as visitor:
        visitor.sendall(request("GET"))
        return read_answer(visitor)[0]


def make_certificate(folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "30", "-subj", f"/CN={name}", "-keyout", "privkey.pem", "-out", "fullchain.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


def test_with_its_certificate_a_site_is_served_encrypted_only(proxy: NginxProxy, serve: Serve) -> None:
    name = "app.example.org"
    route = Route("a", 80, serve(saying(plain(b"x"))).port, hostnames=(name,), https=True)
    proxy.apply(route)
    assert get_as(proxy.layout.http, name)[2] == b"x"
    assert proxy.certificate_expiry(name) is None
    make_certificate(Path(proxy.layout.certificates) / name, name)

    proxy.apply(route)

    status, head, _ = get_as(proxy.layout.http, name, "/a?b=1")
    location = f"location: https://{name}:{proxy.layout.https}/a?b=1"
    assert (status, location.encode() in head.lower()) == (308, True)
    url = f"https://{name}:{proxy.layout.https}/"
    resolve = f"{name}:{proxy.layout.https}:127.0.0.1"
    answer = subprocess.run(
        ["curl", "-sk", "--noproxy", "*", "--resolve", resolve, url], capture_output=True, timeout=10
    )
    assert answer.stdout == b"x"
    expiry = proxy.certificate_expiry(name)
    assert expiry is not None
    assert timedelta(days=29) < expiry - datetime.now(UTC) < timedelta(days=31)
    assert proxy.address(route) == url


def test_somebody_elses_site_for_the_port_stays_and_named_sites_are_served_beside_it(tmp_path: Path) -> None:
    layout = nginx_server.layout_in(tmp_path / "nginx")
    foreign = Path(layout.conf) / "conf.d" / "foreign.conf"
    foreign.write_text(f'server {{ listen {layout.http} default_server; return 200 "theirs"; }}\n')
    proxy = NginxProxy(nginx_server.LocalHost(tmp_path / "host"), address="127.0.0.1", layout=layout)
    app = Upstream(saying(plain(b"ours")))
    try:
        proxy.apply(Route("a", 80, app.port, hostnames=("app.example.org",)))

        assert get_as(layout.http, "app.example.org")[2] == b"ours"
        assert get_as(layout.http, "other.example.org")[2] == b"theirs"
        with pytest.raises(ProxyRefused, match="duplicate default server"):
            proxy.apply(Route("b", layout.http, app.port))
    finally:
        nginx_server.end(layout)
        app.close()


def test_a_master_that_was_killed_is_replaced(proxy: NginxProxy, serve: Serve) -> None:
    route = Route("a", free_port(), serve(saying(plain(b"x"))).port)
    proxy.apply(route)
    master = int(Path(proxy.layout.pid_file).read_text())
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    for pid in [master, *map(int, children)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    proxy.ensure()

    assert get(route.public_port)[2] == b"x"
