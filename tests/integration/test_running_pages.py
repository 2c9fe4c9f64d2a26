"""What runs, as people and programs see it: its log live, its proxy's log, commands in it, room on its machine."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deployments import runtime_follow
from deployments.actions import cleaning, one_off
from deployments.models import Environment, Variable
from deployments.pipeline import leftovers, one_off_job, places
from deployments.pipeline.proxies.builtin import BuiltinProxy
from deployments.pipeline.proxies.nginx import NginxProxy
from deployments.pipeline.runtimes.base import Container
from deployments.pipeline.runtimes.docker import DockerRuntime
from deployments.pipeline.runtimes.process import ProcessRuntime
from deployments.pipeline.runtimes.process_build.images import safe_name
from deployments.states import Status
from instances.hosts.base import HostError, Result
from instances.hosts.local import LocalHost
from portal.core.models import AuditEvent, Membership, Role, User
from portal.core.secrets import Secret
from tests import factories
from tests.fakes import FakeHost
from tests.integration.api_client import ApiClient

pytestmark = pytest.mark.django_db

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


@pytest.fixture
def world(tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
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
    yield World(environment, user, host, docker, tmp_path / "proxy")
    runtime_follow.forget_all()


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


# --- commands --------------------------------------------------------------------------------------


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be queued; nothing runs by itself."""
    queued: list[tuple[Any, ...]] = []
    monkeypatch.setattr(one_off, "enqueue", lambda *args: queued.append(args))
    monkeypatch.setattr(one_off, "enqueue_in", lambda seconds, *args: queued.append(args))
    monkeypatch.setattr(cleaning, "enqueue", lambda *args: queued.append(args))
    return queued


def work(queued: list[tuple[Any, ...]], module: Any = one_off) -> None:
    task, *arguments = queued.pop(0)
    getattr(module, task.rpartition(".")[2])(*arguments)


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


# --- the machine -----------------------------------------------------------------------------------


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
    assert "--filter=label=portal.managed=1" in next(
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


# --- the API ---------------------------------------------------------------------------------------


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
