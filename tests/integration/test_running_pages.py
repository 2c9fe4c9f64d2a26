"""The log of what runs and of the proxy before it, as people see them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from deployments import runtime_follow
from deployments.models import Environment, Variable
from deployments.pipeline import places
from deployments.pipeline.proxies.nginx import NginxProxy
from deployments.states import Status
from instances.hosts.base import HostError, Result
from portal.core.secrets import Secret
from tests import factories
from tests.integration.running_world import CANARY, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, client, monkeypatch)


def text_of(answer: Any) -> str:
    return str(b"".join(answer.streaming_content).decode() if answer.streaming else answer.content.decode())


def next_address(page: str) -> str:
    return page.partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")


# --- the log of what runs --------------------------------------------------------------------------


def test_the_page_shows_the_last_lines_masked_and_escaped(client: Client, world: World) -> None:
    variable = Variable(environment=world.environment, key="KEY", secret=True)
    variable.value = Secret(CANARY)
    variable.save()
    world.write("".join(f"line {number}\n" for number in range(150)))
    world.write(f"\x1b[31mERROR: <script>alert(1)</script> {CANARY}\x1b[0m\n")

    page = client.get(world.url("environment-log")).content.decode()

    assert "line 149" in page and "line 51\n" not in page and ">line 50<" not in page
    assert CANARY not in page and "••••" in page
    assert "<script>alert" not in page and "fg-1" in page and "log-line error" in page


def test_following_brings_each_new_line_once(client: Client, world: World) -> None:
    world.write("one\n")
    address = next_address(client.get(world.url("environment-log")).content.decode())
    assert client.get(address).status_code == 204
    world.write("two\n")

    answer = client.get(address).content.decode()

    assert ">two<" in answer and ">one<" not in answer
    assert client.get(next_address(answer)).status_code == 204


def test_another_process_goes_on_where_the_first_one_was(client: Client, world: World) -> None:
    world.write("one\n")
    address = next_address(client.get(world.url("environment-log")).content.decode())
    world.write("two\n")
    client.get(address)
    world.write("three\n")
    runtime_follow.forget_all()

    answer = client.get(address).content.decode()

    assert ">two<" in answer and ">three<" in answer and ">one<" not in answer


def test_many_who_look_ask_the_host_once(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("one\n")
    address = next_address(client.get(world.url("environment-log")).content.decode())
    monkeypatch.setattr(runtime_follow, "FRESH_SECONDS", 60.0)
    asked: list[list[str]] = []
    call = world.host.call

    def counted(argv: Sequence[str], **rest: Any) -> Result:
        asked.append(list(argv))
        return call(argv, **rest)

    monkeypatch.setattr(world.host, "call", counted)

    for _ in range(10):
        client.get(address)

    assert len(asked) == 1


def test_only_lines_with_a_text_are_found_and_followed(client: Client, world: World) -> None:
    world.write("alpha\nbeta\nALPHABET\n")
    page = client.get(world.url("environment-log"), {"search": "alpha"}).content.decode()
    world.write("gamma\nalpha again\n")

    following = client.get(next_address(page)).content.decode()

    assert ">alpha<" in page and ">ALPHABET<" in page and ">beta<" not in page
    assert "alpha again" in following and "gamma" not in following


def test_the_whole_log_is_a_file(client: Client, world: World) -> None:
    world.write("".join(f"\x1b[32mline {number}\x1b[0m\n" for number in range(3000)))

    answer = client.get(world.url("environment-log-text"))

    assert "attachment" in answer["Content-Disposition"]
    assert text_of(answer).splitlines() == [f"line {number}" for number in range(3000)]


def test_a_candidate_that_stopped_has_its_log_too(client: Client, world: World) -> None:
    failed = factories.deployment_at(Status.FAILED, of=world.environment, facts={"runtime": "process"})
    world.write("no module named flask\n", f"portal-churn-api-dev-{failed.short_id}")

    page = client.get(world.url("environment-log"), {"deployment": failed.short_id}).content.decode()

    assert "no module named flask" in page


def test_a_newer_release_is_announced(client: Client, world: World) -> None:
    world.write("one\n")
    address = next_address(client.get(world.url("environment-log")).content.decode())
    newer = factories.deployment_at(Status.SUCCEEDED, of=world.environment)
    Environment.objects.filter(pk=world.environment.pk).update(
        live_deployment=newer, live_container=f"portal-churn-api-dev-{newer.short_id}"
    )

    answer = client.get(address).content.decode()

    assert "A newer release is live now" in answer
    assert client.get(next_address(answer)).status_code == 204


def test_what_is_gone_and_what_cannot_be_asked_is_said(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = client.get(world.url("environment-log")).content.decode()
    world.write("one\n")
    address = next_address(client.get(world.url("environment-log")).content.decode())

    def refuse(*_: Any, **__: Any) -> Result:
        raise HostError("no route to the machine")

    monkeypatch.setattr(world.host, "call", refuse)
    answer = client.get(address).content.decode()

    assert "The container is not there any more." in gone
    assert "no route to the machine" in answer
    # Said once; the page asks on.
    assert client.get(next_address(answer)).status_code == 204


@pytest.mark.parametrize("name", ["environment-log", "environment-log-lines", "environment-log-text"])
def test_a_stranger_sees_nothing(client: Client, world: World, name: str) -> None:
    client.force_login(factories.user("mallory"))
    assert client.get(world.url(name)).status_code == 404


def test_a_deployment_of_elsewhere_is_not_there(client: Client, world: World) -> None:
    other = factories.deployment_at(Status.SUCCEEDED)
    assert client.get(world.url("environment-log"), {"deployment": other.short_id}).status_code == 404


# --- the proxy's log -------------------------------------------------------------------------------


def test_the_access_log_shows_this_environment_only(client: Client, world: World) -> None:
    rows = [
        {"at": 1769860800, "site": world.environment.uuid.hex, "client": "10.0.0.1", "method": "GET",
         "path": f"/predict?{number}", "status": 502 if number == 60 else 200, "bytes": 12, "ms": 3.4}
        for number in range(61)
    ]  # fmt: skip
    rows.append({**rows[0], "site": "f" * 32, "path": "/foreign"})
    (world.proxy / "access.log").write_text(
        "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    )

    access = client.get(world.url("environment-proxy-log", "access")).content.decode()
    error = client.get(world.url("environment-proxy-log", "error")).content.decode()

    assert "GET /predict?60 → 502" in access and "/predict?11 " in access
    assert "/predict?10 " not in access and "/foreign" not in access
    assert "/predict?60" in error and "/predict?59" not in error


def test_nginx_is_read_too_and_shows_nobody_elses_complaints(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = world.environment.live_deployment
    assert live is not None
    Environment.objects.filter(pk=world.environment.pk).update(live_port=21007, hostnames=["churn.example"])
    moment = f"{live.created_at + timedelta(seconds=5):%Y/%m/%d %H:%M:%S}"
    request = {
        "at": "2026-01-31T12:00:00+00:00", "site": world.environment.uuid.hex, "client": "10.0.0.1",
        "method": "POST", "host": "churn.example", "path": "/predict", "status": "502", "bytes": "157",
        "seconds": "0.250", "upstream": "127.0.0.1:21007", "upstream_seconds": "0.2", "agent": "curl",
    }  # fmt: skip
    complaints = [
        f'{moment} [error] 7#7: *1 upstream timed out, upstream: "http://127.0.0.1:21007/mine"',
        f'{moment} [error] 7#7: *2 upstream timed out, upstream: "http://127.0.0.1:21008/foreign"',
        '2020/01/01 00:00:00 [error] 7#7: *3 refused, upstream: "http://127.0.0.1:21007/before"',
        f'{moment} [error] 7#7: *4 access forbidden, server: churn.example, request: "GET /named"',
    ]
    proxy = NginxProxy(world.host, address="server.example")
    monkeypatch.setattr(proxy, "access_log", lambda site, lines: [json.dumps(request)])
    monkeypatch.setattr(proxy, "error_log", lambda lines: complaints)
    place = replace(places.place_of(world.environment.instance), proxy=proxy)
    monkeypatch.setattr(places, "place_of", lambda instance: place)

    access = client.get(world.url("environment-proxy-log", "access")).content.decode()
    error = client.get(world.url("environment-proxy-log", "error")).content.decode()

    assert "POST /predict → 502, 157 bytes in 250 ms, for 10.0.0.1" in access
    assert "/mine" in error and "/named" in error
    assert "/foreign" not in error and "/before" not in error


def test_without_requests_it_says_so(client: Client, world: World) -> None:
    assert (
        "No request was noted yet"
        in client.get(world.url("environment-proxy-log", "access")).content.decode()
    )
