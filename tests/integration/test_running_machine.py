"""Containers on a machine, and making room there."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deployments.actions import cleaning
from deployments.pipeline import leftovers, places
from deployments.pipeline.runtimes.base import Container
from deployments.pipeline.runtimes.process import ProcessRuntime
from deployments.pipeline.runtimes.process_build.images import safe_name
from deployments.states import Status
from instances.hosts.base import Result
from portal.core.models import Membership, Role
from tests import factories
from tests.integration.running_world import World, hold_queue, make_world, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, client, monkeypatch)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    return hold_queue(monkeypatch)


def test_containers_of_other_teams_are_only_counted(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = factories.deployment_at(
        Status.SUCCEEDED, of=factories.environment(factories.application("secret-app"))
    )
    names = [world.environment.live_container, f"portal-secret-app-dev-{foreign.short_id}"]
    found = [Container(name=name, running=True, host_port=21000) for name in names]
    monkeypatch.setattr(ProcessRuntime, "containers", lambda self, labels: found)

    page = client.get(reverse("instance-containers", args=["local"])).content.decode()

    assert world.environment.live_container in page and "live" in page
    assert "secret-app" not in page and "1 more belongs" in page
    assert "docker:" in page  # its engine does not answer, and that is said


class Engine:
    """Images of an engine: those with our label, and others."""

    def __init__(self, **images: str) -> None:
        self.images = images

    def answers(self) -> dict[tuple[str, ...], Any]:
        return {
            ("docker", "image", "ls"): lambda argv, _: Result(
                0, "".join(f"{digest} {name}\n" for name, digest in self.images.items()), ""
            ),
            ("docker", "image", "inspect"): self._inspect,
            ("docker", "image", "rm"): self._remove,
            ("docker", "info"): Result(0, "/var/lib/docker\n", ""),
            ("df",): lambda argv, _: Result(
                0,
                f"Filesystem 1024-blocks Used Available\n/dev/x 9 9 {1000 * (9 - len(self.images))} 9% /\n",
                "",
            ),
        }

    def _inspect(self, argv: list[str], _: bytes) -> Result:
        name = argv[-1]
        known = name in self.images or name in self.images.values()
        return (
            Result(0, json.dumps([{"Id": "x", "Size": 1}]), "")
            if known
            else Result(1, "[]", "No such image: x")
        )

    def _remove(self, argv: list[str], _: bytes) -> Result:
        if "used" in argv[-1]:
            return Result(1, "", "conflict: unable to remove, container is using it")
        self.images = {n: d for n, d in self.images.items() if argv[-1] not in (n, d)}
        return Result(0, "", "")


def test_cleaning_takes_only_what_no_kept_release_needs(
    client: Client, world: World, at_once: list[tuple[Any, ...]]
) -> None:
    engine = Engine(
        **{
            "portal/x:1": "sha256:live", "portal/x:2": "sha256:kept", "portal/x:3": "sha256:given-up",
            "portal/x:used": "sha256:used", "<none>:<none>": "sha256:dangling", "portal/y:1": "sha256:bydigest",
        }
    )  # fmt: skip
    world.docker.answers = engine.answers()
    factories.release(world.environment, 2)
    factories.release(world.environment, 3, kept=False)
    factories.release(world.environment, 4, image="portal/gone:1", image_digest="sha256:bydigest")
    Membership.objects.all().update(role=Role.ADMIN)
    client.force_login(factories.portal_admin())

    client.post(reverse("instance-clean", args=["local"]))
    again = client.post(reverse("instance-clean", args=["local"]))
    work(at_once, cleaning)
    page = client.get(reverse("instance-clean", args=["local"])).content.decode()

    assert set(engine.images) == {"portal/x:1", "portal/x:2", "portal/x:used", "portal/y:1"}
    assert again.status_code == 409
    assert "2 images removed, 2 MB freed" in page
    assert "--filter=label=portal.build" in next(
        c for c in world.docker.commands if c[:3] == ["docker", "image", "ls"]
    )
    assert not any("prune" in command for command in world.docker.commands)


def test_the_last_releases_can_still_be_started(world: World) -> None:
    root = Path(world.host.root) / "images"
    kept, dropped = (
        factories.release(world.environment, 2),
        factories.release(world.environment, 3, kept=False),
    )
    for release in (kept, dropped):
        folder = root / f"{safe_name(release.image)}.abc" / "root/usr/local"
        folder.mkdir(parents=True)
        (folder / "pyvenv.cfg").write_text("x")
        description = {"folder": str(folder.parents[2]), "digest": "d", "size": 5}
        (root / f"{safe_name(release.image)}.json").write_text(json.dumps(description))
    place = places.place_of(world.environment.instance)

    removed = leftovers.remove(world.environment.instance, place, until=float("inf"))

    assert removed.images == 1
    assert place.runtimes["process"].find_image(kept.image) is not None
    assert place.runtimes["process"].find_image(dropped.image) is None


def test_nothing_is_removed_while_a_deployment_is_under_way(client: Client, world: World) -> None:
    factories.deployment_at(Status.RUNNING, of=world.environment)
    client.force_login(factories.portal_admin())

    assert client.post(reverse("instance-clean", args=["local"])).status_code == 409


def test_only_who_manages_the_machine_may_clean(client: Client, world: World) -> None:
    assert client.post(reverse("instance-clean", args=["local"])).status_code == 403
