"""What runs, as programs see it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests import factories
from tests.integration.api_client import ApiClient
from tests.integration.running_world import World, hold_queue, make_world, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, client, monkeypatch)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    return hold_queue(monkeypatch)


def test_the_api_gives_the_end_of_the_log(world: World) -> None:
    world.write("one\n\x1b[31mERROR two\x1b[0m\nthree\n")
    api = ApiClient(world.user, "read")
    path = "/api/v1/applications/churn-api/environments/dev/logs"

    found = api.get(path, tail=2).json()
    text = api.get(path, search="error", **{"as": "text"})

    assert [line["message"] for line in found["logs"]] == ["ERROR two", "three"]
    assert found["logs"][0]["level"] == "error" and found["live"] is True
    assert text.content == b"ERROR two\n"
    assert api.get(path, since="2026-01-31T12:00:00Z").status_code in (400, 422)
    assert api.get(path, tail="many").status_code in (400, 422)


def test_the_api_runs_a_command(world: World, at_once: list[tuple[Any, ...]]) -> None:
    world.runs_in("docker")
    world.docker.outcomes = {"one-off": (b"done\n", 0)}
    api = ApiClient(world.user, "read", "deploy")
    path = "/api/v1/applications/churn-api/environments/dev/exec"

    started = api.post(path, {"command": "true"})
    work(at_once)
    ended = api.get(started.json()["url"]).json()["command"]

    assert started.status_code == 202 and started.json()["command"]["ended_at"] is None
    assert (ended["exit_code"], ended["output"], ended["by"]) == (0, "done\n", "ada")
    assert ApiClient(world.user, "read").post(path, {"command": "true"}).status_code == 403


CALLS: list[Callable[[ApiClient], Any]] = [
    lambda api: api.get("/api/v1/applications/churn-api/environments/dev/logs"),
    lambda api: api.post("/api/v1/applications/churn-api/environments/dev/exec", {"command": "true"}),
]


@pytest.mark.parametrize("call", CALLS)
def test_the_api_shows_a_stranger_nothing(world: World, call: Callable[[ApiClient], Any]) -> None:
    assert call(ApiClient(factories.user("mallory"), "read", "deploy")).status_code == 404
