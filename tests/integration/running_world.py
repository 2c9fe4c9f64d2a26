"""A machine with a live environment on it, for the tests of what runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deployments import runtime_follow
from deployments.actions import cleaning, one_off
from deployments.models import Environment
from deployments.pipeline import places
from deployments.pipeline.proxies.builtin import BuiltinProxy
from deployments.pipeline.runtimes.docker import DockerRuntime
from deployments.pipeline.runtimes.process import ProcessRuntime
from deployments.states import Status
from instances.hosts.local import LocalHost
from portal.core.models import Role, User
from tests import factories
from tests.fakes import FakeHost

CANARY = "canary-51b0e7"


@dataclass
class World:
    """A machine with an environment on it that is live."""

    environment: Environment
    user: User
    host: LocalHost
    docker: FakeHost
    proxy: Path

    def write(self, text: str, container: str = "") -> None:
        folder = Path(self.host.root) / "containers" / (container or self.environment.live_container)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log").open("a") as file:
            file.write(text)

    def url(self, name: str, *more: str) -> str:
        return reverse(name, args=[self.environment.application.name, self.environment.name, *more])

    def member(self, role: str) -> User:
        return factories.user(f"{role}-1", of=self.environment.application.team, role=role)

    def runs_in(self, runtime: str) -> None:
        assert self.environment.live_release is not None
        self.environment.live_release.runtime = runtime
        self.environment.live_release.save()


def make_world(tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> World:
    """A deployer is signed in; nothing runs on the machine but what a test writes there."""
    team = factories.team("Data")
    user = factories.user("ada", of=team, role=Role.DEPLOYER)
    environment = factories.environment(factories.application("churn-api", of=team))
    release = factories.release(environment)
    live = factories.deployment_at(Status.SUCCEEDED, of=environment, release=release, commit="a" * 40)
    environment.live_release, environment.live_deployment = release, live
    environment.live_container = f"portal-churn-api-dev-{live.short_id}"
    environment.save()
    host, docker = LocalHost(tmp_path / "host"), FakeHost()
    place = places.Place(
        host=host,
        runtimes={"docker": DockerRuntime(docker), "process": ProcessRuntime(host)},
        proxy=BuiltinProxy(tmp_path / "proxy", bind="127.0.0.1"),
    )
    (tmp_path / "proxy").mkdir()
    monkeypatch.setattr(places, "place_of", lambda instance: place)
    monkeypatch.setattr(runtime_follow, "FRESH_SECONDS", 0.0)
    client.force_login(user)
    runtime_follow.forget_all()
    return World(environment, user, host, docker, tmp_path / "proxy")


def hold_queue(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be queued; nothing runs by itself."""
    queued: list[tuple[Any, ...]] = []
    monkeypatch.setattr(one_off, "enqueue", lambda *args: queued.append(args))
    monkeypatch.setattr(one_off, "enqueue_in", lambda seconds, *args: queued.append(args))
    monkeypatch.setattr(cleaning, "enqueue", lambda *args: queued.append(args))
    return queued


def work(queued: list[tuple[Any, ...]], module: Any = one_off) -> None:
    task, *arguments = queued.pop(0)
    getattr(module, task.rpartition(".")[2])(*arguments)
