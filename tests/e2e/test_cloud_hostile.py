"""Everything that people type may be hostile: refused alike on every surface, or inert and byte for byte."""

import glob
import json
import secrets
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cloud import Cloud, get, held, push_change, push_files, register
from tests.e2e.hostile_inputs import COMMAND, MARKER, REFUSED, VALUES
from tests.e2e.portal_process import Portal
from tests.e2e.remote import Remote

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cloudbox,
    pytest.mark.timeout(420),
]

# Quotes, a dollar, a line break: whatever takes it apart shows one of its pieces.
SECRET = "canary-5b1d$(id)'\"\\\nsecond-8e2f`id`"
PIECES = ["canary-5b1d", "second-8e2f"]
ODD_HEADER = "a'b\"c\\d; }} {{ #x `touch /tmp/pwned-95` \\n"
# Put where it must be found, so that a search that finds nothing has looked.
CONTROL = "canary-control"
SIGN_IN = "visitor:canary-5b1d $x'\"\\;"
LEAKY = "import os, sys\nprint('the secret is', os.environ['APP_SECRET'], flush=True)\nsys.exit(3)\n"

# Looks at every command line of the machine until its stdin closes; the pieces come by stdin, too.
WATCH = """
import json, os, select, sys
pieces = [piece.encode() for piece in json.loads(sys.stdin.readline())]
found, looks = set(), 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    looks += 1
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                line = open(f"/proc/{name}/cmdline", "rb").read()
            except OSError:
                continue
            if any(piece in line for piece in pieces):
                found.add(line.decode(errors="replace"))
print(json.dumps({"looks": looks, "found": sorted(found)}), flush=True)
"""


@dataclass
class World:
    """A server with a live application, the portal that made it, and the server as its owner sees it."""

    cloud: Cloud
    portal: Portal
    remote: Remote
    repository: str
    url: str = ""

    def deploy(self, **options: Any) -> dict[str, Any]:
        """With a worker that ends afterwards, so that nothing else changes the tables in between."""
        worker = self.portal.start_worker()
        try:
            uuid = self.portal.deploy(self.repository, **options)
            return self.portal.wait_for_end(uuid, seconds=240) | {"uuid": uuid}
        finally:
            worker.kill()
            worker.wait(timeout=10)

    def variables(self, values: dict[str, str]) -> None:
        self.portal.run(
            f"""
            from deployments import actions
            from deployments.models import Environment
            from portal.core.models import User
            place, by = Environment.objects.get(), User.objects.get()
            for key, value in {values!r}.items():
                actions.set_variable(environment=place, by=by, key=key, value=value)
            """
        )

    def marked(self) -> list[str]:
        """Files that a command left behind outside of a container, there and here."""
        there = self.remote.run(
            f"find / -xdev -path /var/lib/docker -prune -o -name '{Path(MARKER).name}*' -print; "
            f"find /tmp /run -name '{Path(MARKER).name}*'"
        )
        return [*there.split(), *glob.glob(f"{MARKER}*")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    cloud, name = Cloud(), f"hostile-{secrets.token_hex(3)}"
    folder = tmp_path_factory.mktemp("hostile")
    with held(alone=False):
        server = cloud.add_server(name)
        portal = cloud.portal(folder / "portal", PORTAL_PROVING_SECONDS="2")
        try:
            register(portal, server, "box")
            repository = cloud.new_repository(name)
            push_files(cloud, folder, repository, "hello", version="first")
            world = World(cloud, portal, Remote(folder, server), repository)
            end = world.deploy(target="box", name="hello")
            assert (end["status"], end["code"]) == ("succeeded", ""), end
            world.url = end["url"]
            yield world
        finally:
            portal.close()
            cloud.remove_server(name)


@pytest.mark.parametrize(("noun", "field"), [pytest.param(*key, id="-".join(key)) for key in REFUSED])
def test_what_is_refused_is_refused_in_the_same_words_everywhere_and_leaves_nothing(
    world: World, noun: str, field: str
) -> None:
    tried = world.portal.run(
        f"""
        from tests.e2e import surfaces
        from tests.e2e.hostile_inputs import REFUSED
        answer = surfaces.tried("hello", "box", {noun!r}, {field!r}, REFUSED[{noun!r}, {field!r}])
        """
    )
    assert len(tried) == len(REFUSED[noun, field])
    for value, said, left in tried:
        assert left == [], f"{value} left something: {left} ({said})"
        assert all(said.values()), f"{value} was taken: {said}"
        for surface, sentences in said.items():
            assert set(said["form"]) <= set(sentences), f"{value} is refused otherwise by {surface}: {said}"


def test_the_application_has_answered_all_along_and_no_machine_was_touched(world: World) -> None:
    assert '"version": "first"' in get(world.url)[1]
    assert world.marked() == []


def test_variables_arrive_byte_for_byte_and_commands_stay_in_their_container(world: World) -> None:
    world.variables(VALUES)
    world.portal.run(
        f"""
        from deployments import actions
        from deployments.models import Application
        from portal.core.models import User
        hooks = dict.fromkeys(["pre_build", "pre_deploy", "post_deploy"], {COMMAND!r})
        actions.update_application(
            application=Application.objects.get(), by=User.objects.get(), hooks=hooks, test_command={COMMAND!r},
            build_args={{"APP_ARG": {VALUES["APP_DOLLAR"]!r}, "APP_LINES": {VALUES["APP_LINES"]!r}}},
        )
        """
    )
    end = world.deploy()
    assert (end["status"], end["code"]) == ("succeeded", ""), end
    arrived = json.loads(get(end["url"] + "env")[1])
    assert {key: arrived.get(key) for key in VALUES} == VALUES
    assert world.marked() == []


def test_headers_of_answers_arrive_byte_for_byte_through_nginx(world: World) -> None:
    odd = {"X-Odd": ODD_HEADER, "X-Spaces": "a  b", "X-Include": "}; include /etc/passwd; #"}
    world.portal.run(
        f"""
        from deployments import actions
        from deployments.models import Environment
        from portal.core.models import User
        actions.update_environment(
            environment=Environment.objects.get(), by=User.objects.get(),
            proxy_options={{"headers": {odd!r}, "allow": ["172.31.0.0/16"]}},
        )
        """
    )
    end = world.deploy()
    assert end["status"] == "succeeded", end
    with urllib.request.urlopen(end["url"], timeout=5) as answer:
        assert {name: answer.headers[name] for name in odd} == odd
    assert world.marked() == []


def test_a_secret_is_in_no_command_line_image_file_or_log(world: World, tmp_path: Path) -> None:
    sign_in = SIGN_IN
    world.variables({"APP_SECRET": SECRET})
    world.portal.run(
        f"""
        from deployments import actions
        from deployments.models import Environment
        from portal.core.models import User
        actions.update_environment(environment=Environment.objects.get(), by=User.objects.get(), basic_auth={sign_in!r})
        """
    )
    with watched(world.remote) as watch:
        good = world.deploy()
        # A version that prints it and dies: its last lines go into the log and the evidence.
        push_change(tmp_path, world.repository, lambda tree: _write(tree / "app.py", LEAKY))
        failed = world.deploy()
        world.remote.run(f"bash -c 'sleep 1; true' {CONTROL}; echo {CONTROL} > /var/lib/portal/control")
        watch.end()
    assert good["status"] == "succeeded", good
    assert failed["status"] == "failed", failed
    assert watch.looks > 50
    assert [line for line in watch.found if CONTROL not in line] == []
    assert watch.found, "the control was not seen"
    assert get(good["url"] + "env")[0] == 401, "the sign-in is asked for"
    assert _environment_behind_sign_in(good["url"], sign_in)["APP_SECRET"] == SECRET
    assert _on_the_server(world.remote) == ["/var/lib/portal/control"]
    assert _in_the_tables(world.portal, good["uuid"], failed["uuid"]) == []
    assert _in_files(world.portal.folder) == []
    assert world.marked() == []


class watched:  # noqa: N801  (read as a word: with watched(...) as watch)
    """The command lines of a machine while something is done."""

    def __init__(self, remote: Remote) -> None:
        self.process = remote.start("python3", "-c", f"'{WATCH}'")
        self.looks, self.found = 0, ["never looked"]

    def __enter__(self) -> "watched":
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([*PIECES, CONTROL]) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ready\n"
        return self

    def end(self) -> None:
        output, _ = self.process.communicate(timeout=20)
        told = json.loads(output)
        self.looks, self.found = told["looks"], told["found"]

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=10)


def _on_the_server(remote: Remote) -> list[str]:
    """Files and images of the machine that hold a piece of the secret."""
    needles = " ".join(f"-e {piece}" for piece in [*PIECES, CONTROL])
    script = f"""
        grep -rlF -D skip {needles} /etc /var/lib/portal /tmp /run /dev/shm /root /home /var/log --exclude-dir=journal --exclude-dir=containerd 2>/dev/null
        for image in $(docker images -q --no-trunc | sort -u); do
            docker history --no-trunc "$image" | grep -lF {needles} --label="history of $image" -
            docker image inspect "$image" | grep -lF {needles} --label="image $image" -
        done
        journalctl --no-pager 2>/dev/null | grep -vF 'the secret is' | grep -lF {needles} --label=journal -
        true
        """
    return remote.run(script, timeout=120).split("\n")[:-1]


def _in_the_tables(portal: Portal, *uuids: str) -> list[str]:
    """Pieces of the secret in log lines, evidence, failures and the audit."""
    told: list[str] = portal.run(
        f"""
        from deployments import logs
        from deployments.models import Deployment, Step
        from portal.core.models import AuditEvent
        answer = []
        for deployment in Deployment.objects.filter(uuid__in={list(uuids)!r}):
            lines = list(logs.read(deployment, after=0, limit=100000))
            assert lines
            answer += [f"line: {{line}}" for line in lines]
            answer.append(f"row: {{vars(deployment)}}")
        answer += [f"step: {{vars(step)}}" for step in Step.objects.all()]
        answer += [f"audit: {{vars(event)}}" for event in AuditEvent.objects.all()]
        """
    )
    assert any("the secret is" in text for text in told), "the log must have what the application said"
    return [text[:300] for text in told if any(piece in text for piece in PIECES)]


def _in_files(folder: Path) -> list[str]:
    """Files of the portal's own data directory, the database among them."""
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(piece.encode() in path.read_bytes() for piece in PIECES)
    ]


def _environment_behind_sign_in(url: str, sign_in: str) -> dict[str, str]:
    # By stdin, as a person's browser would: nothing of it on our own command line.
    config = f'url = "{url}env"\nuser = {json.dumps(sign_in)}\n'
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "--max-time", "10", "-K", "-"],
        input=config,
        capture_output=True,
        text=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _write(path: Path, text: str) -> None:
    path.write_text(text)
