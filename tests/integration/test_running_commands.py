"""Commands in the live container: who may, what is recorded, and what becomes of them."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from deployments.actions import one_off
from deployments.models import Environment, Variable
from deployments.pipeline import one_off_job
from instances.hosts.base import HostError
from instances.hosts.local import LocalHost
from portal.core.models import AuditEvent, Role
from portal.core.secrets import Secret
from tests.integration.running_world import CANARY, World, hold_queue, make_world, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, client, monkeypatch)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    return hold_queue(monkeypatch)


def test_a_command_runs_and_is_recorded(client: Client, world: World, at_once: list[tuple[Any, ...]]) -> None:
    world.runs_in("docker")
    world.docker.outcomes = {"one-off": (b"migrated <b>all</b>\n", 3)}

    client.post(world.url("environment-commands"), {"command": "python manage.py migrate; echo 'x'"})
    assert world.docker.jobs == {}  # not within the request
    work(at_once)
    page = client.get(world.url("environment-commands")).content.decode()

    started, ended = AuditEvent.objects.filter(action__startswith="command.").order_by("id")
    assert started.actor == ended.actor == world.user
    assert started.details["command"] == "python manage.py migrate; echo 'x'"
    assert (ended.details["exit_code"], ended.details["output"]) == (3, "migrated <b>all</b>\n")
    assert "Exit code 3" in page and "&lt;b&gt;all" in page
    assert world.docker.jobs == {} and at_once == []


def test_the_job_quotes_what_people_write(tmp_path: Path) -> None:
    """The words reach the container's shell as they are; nothing of them is read by the host's."""
    seen = tmp_path / "seen"
    client = tmp_path / "docker"
    client.write_text(f"""#!/bin/sh\nprintf '%s\\n' "$@" > {seen}\necho out; echo err >&2; exit 7\n""")
    client.chmod(0o755)
    host = LocalHost(tmp_path / "host")
    command = "echo 'a b' \"$HOME\"; touch /tmp/x\n`id`"
    host.start_job("one-off-1", f"PATH={tmp_path}:$PATH\n" + one_off_job.script("portal-x", command))

    output, code = "", None
    deadline = time.monotonic() + 10
    while code is None and time.monotonic() < deadline:
        output, code = one_off_job.watch(host, "one-off-1")

    assert seen.read_text() == "\n".join(
        ["exec", "portal-x", "sh", "-c", one_off_job.INSIDE, "sh", command, ""]
    )
    assert (code, output) == (7, "out\nerr\n")


def test_much_output_does_not_end_the_command(tmp_path: Path) -> None:
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' x\nexit 0\n")
    client.chmod(0o755)
    host = LocalHost(tmp_path / "host")
    host.start_job("one-off-2", f"PATH={tmp_path}:$PATH\n" + one_off_job.script("portal-x", "yes"))

    output, code = "", None
    deadline = time.monotonic() + 10
    while code is None and time.monotonic() < deadline:
        output, code = one_off_job.watch(host, "one-off-2")

    assert code == 0
    assert output == "x" * one_off_job.OUTPUT_BYTES + one_off_job.CUT_MARK


def test_the_output_is_cut_and_masked(client: Client, world: World, at_once: list[tuple[Any, ...]]) -> None:
    world.runs_in("docker")
    variable = Variable(environment=world.environment, key="KEY", secret=True)
    variable.value = Secret(CANARY)
    variable.save()
    world.docker.outcomes = {"one-off": (CANARY.encode() + b"x" * 70_000, 0)}

    client.post(world.url("environment-commands"), {"command": f"echo {CANARY}"})
    work(at_once)

    rows = json.dumps([event.details for event in AuditEvent.objects.all()])
    assert CANARY not in rows
    assert len(AuditEvent.objects.get(action=one_off.ENDED).details["output"]) < 66_000
    assert "cut after 64 KiB" in rows


def test_one_that_goes_on_is_looked_at_again(
    client: Client, world: World, at_once: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.runs_in("docker")
    monkeypatch.setattr("deployments.pipeline.one_off_job.WATCH_SECONDS", 0.0)
    world.docker.outcomes = {"one-off": (b"working\n", None)}
    client.post(world.url("environment-commands"), {"command": "sleep 5"})
    work(at_once)
    page = client.get(world.url("environment-commands")).content.decode()
    second = client.post(world.url("environment-commands"), {"command": "sleep 6"})

    world.docker.end_job(next(iter(world.docker.jobs)), 0, b"done\n")
    work(at_once)
    run = one_off.recent_runs(world.environment)[0]

    assert "working" in page and "Running" in page and "every 1s" in page
    assert second.status_code == 409
    assert (run.exit_code, run.output) == (0, "working\ndone\n")
    assert world.docker.jobs == {}


def test_a_machine_that_never_answers_ends_it(
    client: Client, world: World, at_once: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.runs_in("docker")
    monkeypatch.setattr(one_off, "GIVE_UP_SECONDS", 0.0)

    def refuse(*_: Any, **__: Any) -> None:
        raise HostError("no route")

    monkeypatch.setattr(world.docker, "poll_job", refuse)
    client.post(world.url("environment-commands"), {"command": "true"})
    work(at_once)

    run = one_off.recent_runs(world.environment)[0]
    assert run.is_over and run.exit_code is None and "no route" in run.trouble
    assert at_once == []


@pytest.mark.parametrize(
    ("role", "protected", "may"),
    [
        (Role.VIEWER, False, False),
        (Role.APPROVER, False, False),
        (Role.DEPLOYER, False, True),
        (Role.DEPLOYER, True, False),
        (Role.ADMIN, True, True),
    ],
)
def test_who_may_run_commands(
    client: Client, world: World, at_once: list[tuple[Any, ...]], role: str, protected: bool, may: bool
) -> None:
    world.runs_in("docker")
    Environment.objects.filter(pk=world.environment.pk).update(protected=protected)
    client.force_login(world.member(role))

    answer = client.post(world.url("environment-commands"), {"command": "true"})

    assert answer.status_code == (302 if may else 403)
    assert bool(at_once) == may
    assert AuditEvent.objects.filter(action=one_off.STARTED, allowed=may).count() == 1


def test_who_may_not_run_commands_does_not_see_their_output(
    client: Client, world: World, at_once: list[tuple[Any, ...]]
) -> None:
    world.runs_in("docker")
    world.docker.outcomes = {"one-off": (b"a customer's name\n", 0)}
    client.post(world.url("environment-commands"), {"command": "true"})
    work(at_once)
    run = one_off.recent_runs(world.environment)[0]
    client.force_login(world.member(Role.VIEWER))

    assert "customer" not in client.get(world.url("environment-commands")).content.decode()
    assert client.get(world.url("environment-command", run.id)).status_code == 404


def test_a_process_cannot_be_entered(client: Client, world: World) -> None:
    page = client.get(world.url("environment-commands")).content.decode()
    answer = client.post(world.url("environment-commands"), {"command": "true"})

    assert "Commands need Docker" in page
    assert answer.status_code == 409


@pytest.mark.parametrize("command", ["", "  ", "x" * 2001, "echo \x00"])
def test_what_is_no_command_is_refused_at_the_field(
    client: Client, world: World, at_once: list[tuple[Any, ...]], command: str
) -> None:
    world.runs_in("docker")
    answer = client.post(world.url("environment-commands"), {"command": command})

    assert answer.status_code == 422 and b"command-error" in answer.content
    assert at_once == []
