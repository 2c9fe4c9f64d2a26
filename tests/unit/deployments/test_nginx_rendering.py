"""The files for NGINX as text; whether NGINX understands them is shown with a real one."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployments.pipeline.proxies import nginx, nginx_certificates
from deployments.pipeline.proxies.base import PortTaken, ProxyOptions, ProxyRefused, Route
from deployments.pipeline.proxies.nginx import NginxProxy
from deployments.pipeline.proxies.nginx_rendering import ROOT, Layout, shared_files, site_files
from instances.hosts.base import HostError, Result
from tests.fakes import FakeHost

ROUTE = Route("a1b2", 80, 21000)
LAYOUT = Layout()


def proxy_on(answer: Result) -> tuple[NginxProxy, FakeHost]:
    host = FakeHost(answers={("bash",): answer})
    return NginxProxy(host, address="203.0.113.7"), host


def test_the_site_of_port_80_answers_for_everybody_and_holds_the_paths() -> None:
    text = site_files(ROUTE, LAYOUT)["http"]

    assert ROOT in text
    assert "listen 80 default_server;" in text
    assert "include /etc/nginx/portal/locations/*.conf;" in text


def test_a_site_on_another_port_does_not_hold_the_paths() -> None:
    text = site_files(replace(ROUTE, public_port=8001), LAYOUT)["http"]

    assert ROOT not in text
    assert "listen 8001 default_server;" in text
    assert "locations" not in text


def test_the_fallback_is_a_backup() -> None:
    text = site_files(replace(ROUTE, fallback_port=21001), LAYOUT)["http"]

    assert "server 127.0.0.1:21000 max_fails=0;\n  server 127.0.0.1:21001 max_fails=0 backup;" in text


@pytest.mark.parametrize("fallback", [None, 21000])
def test_no_fallback_is_no_line(fallback: int | None) -> None:
    assert "backup" not in site_files(replace(ROUTE, fallback_port=fallback), LAYOUT)["http"]


def test_the_encrypted_variant_only_exists_where_it_is_wanted() -> None:
    named = replace(ROUTE, hostnames=("app.example.org", "www.example.org"))

    assert set(site_files(named, LAYOUT)) == {"http"}
    encrypted = site_files(replace(named, https=True), LAYOUT)["https"]
    assert "ssl_certificate /etc/letsencrypt/live/app.example.org/fullchain.pem;" in encrypted
    assert "ssl_certificate_key /etc/letsencrypt/live/app.example.org/privkey.pem;" in encrypted
    assert encrypted.count("server_name app.example.org www.example.org;") == 2


WRONG: list[dict[str, Any]] = [
    {"site": "a/../b"},
    {"hostnames": ("a.example.org; }",)},
    {"hostnames": ("*.example.org",)},
    {"path_prefix": "/a b"},
    {"path_prefix": "/a;"},
    {"path_prefix": "a"},
    {"options": ProxyOptions(headers={"X-A": "a\nb"})},
    {"options": ProxyOptions(headers={"X-A": "$host"})},
    {"options": ProxyOptions(headers={"X A": "b"})},
    {"options": ProxyOptions(allow=("all; return 200",))},
]


@pytest.mark.parametrize("change", WRONG)
def test_nothing_that_says_more_than_one_word_gets_into_a_file(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        site_files(replace(ROUTE, **change), LAYOUT)


ADDRESSES = [
    ({}, "http://203.0.113.7/"),
    ({"public_port": 8001}, "http://203.0.113.7:8001/"),
    ({"path_prefix": "/iris"}, "http://203.0.113.7/iris/"),
    ({"hostnames": ("app.example.org",)}, "http://app.example.org/"),
    ({"hostnames": ("app.example.org",), "https": True}, "https://app.example.org/"),
    ({"https": True}, "http://203.0.113.7/"),
]


@pytest.mark.parametrize(("change", "address"), ADDRESSES)
def test_the_address_is_what_people_type(change: dict[str, Any], address: str) -> None:
    assert NginxProxy(FakeHost(), address="203.0.113.7").address(replace(ROUTE, **change)) == address


def test_the_address_may_be_a_question() -> None:
    assert NginxProxy(FakeHost(), address=lambda: "2001:db8::7").address(ROUTE) == "http://[2001:db8::7]/"


def test_a_route_is_applied_in_one_call_without_its_password() -> None:
    proxy, host = proxy_on(Result(0, "", ""))

    proxy.apply(replace(ROUTE, basic_auth="ann:correct horse"))

    assert len(host.commands) == 1
    assert "correct" not in json.dumps(host.commands)
    sent = dict(line.split() for line in host.inputs[0].splitlines())
    assert {b"base", b"default", b"http", b"route", b"auth"} <= set(sent)
    assert b"correct" not in host.inputs[0]


@pytest.mark.parametrize(
    ("code", "error"),
    [(70, ProxyRefused), (71, PortTaken), (72, HostError), (73, HostError), (255, HostError)],
)
def test_how_the_script_ends_says_what_happened(code: int, error: type[Exception]) -> None:
    proxy, _ = proxy_on(Result(code, "", "nginx: its own words\n"))

    with pytest.raises(error, match="its own words"):
        proxy.apply(ROUTE)


@pytest.mark.parametrize("output", ["", "busy 5208 1\n"])
def test_half_a_status_is_none(output: str) -> None:
    proxy, _ = proxy_on(Result(0, output, ""))

    with pytest.raises(HostError, match="all of what it serves"):
        proxy.status()


def test_what_is_busy_is_counted_by_port() -> None:
    proxy, host = proxy_on(Result(0, "", ""))
    proxy.apply(ROUTE)
    kept = (
        next(line for line in host.inputs[0].splitlines() if line.startswith(b"route ")).split()[1].decode()
    )
    proxy, _ = proxy_on(Result(0, f"stale\nsite {kept}\nbusy 5208 3\nend\n", ""))

    status = proxy.status()["a1b2"]

    assert (status.route, status.in_flight) == (ROUTE, {21000: 3})
    assert "another configuration" in status.error


def test_a_certificate_is_asked_for_with_quoted_values() -> None:
    text = nginx_certificates.script(
        LAYOUT, ["app.example.org", "www.example.org"], email="o'hara@example.org", acme_url="https://ca/dir"
    )

    assert "first=app.example.org\n" in text
    assert """-m 'o'"'"'hara@example.org' --server https://ca/dir -d app.example.org""" in text
    with pytest.raises(ValueError):
        nginx_certificates.script(LAYOUT, ["$(reboot)"], email="", acme_url="")


def test_only_a_real_servers_logs_are_rotated_by_the_system() -> None:
    assert "logrotate" in shared_files(LAYOUT)
    assert "logrotate" not in shared_files(replace(LAYOUT, service=""))


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    certificate = tmp_path / "certificate.sh"
    text = nginx_certificates.script(LAYOUT, ["app.example.org"], email="", acme_url="")
    certificate.write_text(f"#!/bin/sh\n{text}")
    change = Path(nginx.__file__).with_suffix(".sh")

    result = subprocess.run(
        ["shellcheck", str(certificate), str(change)], capture_output=True, text=True, timeout=60
    )

    assert result.stdout == ""
