"""The portal's own `docker compose up --build` on a bare machine: healthy, signed in to, and deploying."""

import http.client
import http.cookiejar
import json
import re
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cloud import Cloud, get, held
from tests.e2e.portal_process import ROOT, wait_until
from tests.e2e.remote import Remote

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cloudbox,
    pytest.mark.timeout(420),
]

IMAGES = "postgres,redis,nginx"
HEALTHY_SECONDS = 120
PORT = 8080


@dataclass
class Stack:
    """What `docker compose up` made of a machine."""

    cloud: Cloud
    remote: Remote
    server: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"http://{self.remote.address}:{PORT}"

    def compose(self, words: str, *, timeout: float = 60) -> str:
        return self.remote.run(f"cd /srv/portal && docker compose {words} </dev/null", timeout=timeout)

    def timed(self, name: str, words: str, *, timeout: float) -> None:
        began = time.monotonic()
        self.compose(words, timeout=timeout)
        self.seconds[name] = round(time.monotonic() - began, 1)

    def manage(self, words: str) -> str:
        return self.compose(f"exec -T web python manage.py {words}")

    def sql(self, query: str) -> str:
        return self.compose(f'exec -T db psql -U portal -d portal -Atc "{query}"').strip()

    def redis(self, words: str) -> str:
        return self.compose(f"exec -T redis redis-cli {words}").strip()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A clean copy of the last commit, brought up as the README says it."""
    cloud, name = Cloud(), f"compose-{secrets.token_hex(3)}"
    with held(alone=False):
        cloud.run("images", IMAGES)
        server = cloud.add_server(name)
        try:
            stack = Stack(cloud, Remote(tmp_path_factory.mktemp("compose"), server), server)
            _bring_up(stack)
            yield stack
        finally:
            cloud.remove_server(name)


def _bring_up(stack: Stack) -> None:
    remote = stack.remote
    began = time.monotonic()
    script = (ROOT / "instances" / "bootstrap.sh").read_text()
    remote.run(f"export PORTAL_DOCKER_SOURCE=docker\nset -- docker\n{script}", timeout=180)
    stack.seconds["docker"] = round(time.monotonic() - began, 1)
    remote.run("install -d -m 777 /srv/portal")
    tree = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, timeout=60, check=True)
    remote.send(tree.stdout, "tar -x -C /srv/portal")
    settings = [
        "PORTAL_BIND=0.0.0.0", f"ALLOWED_HOSTS=localhost,127.0.0.1,{remote.address}",
        f"PORTAL_PUBLIC_URL={stack.base}", f"GIT_ALLOWED_HOSTS={stack.cloud.git}",
    ]  # fmt: skip
    remote.send("\n".join([*settings, ""]).encode(), "cat >> /srv/portal/.env")
    # The README's own line.
    remote.run('cd /srv/portal && echo "POSTGRES_PASSWORD=$(openssl rand -hex 24)" >> .env')
    stack.timed("build", "build --quiet", timeout=240)
    stack.timed("pull", "pull --quiet --ignore-buildable", timeout=120)
    began = time.monotonic()
    stack.timed("up", "up --build --detach", timeout=180)
    wait_until(lambda: _status(f"{stack.base}/readyz"), lambda status: status == 200, seconds=120)
    stack.seconds["healthy"] = round(time.monotonic() - began, 1)
    print(f"compose: {stack.seconds}")


def test_it_is_healthy_within_two_minutes_once_the_images_are_there(stack: Stack) -> None:
    assert stack.seconds["healthy"] <= HEALTHY_SECONDS, stack.seconds
    rows = stack.compose("ps --all --format '{{.Service}} {{.State}} {{.Health}} {{.ExitCode}}'")
    states = {line.split()[0]: line.split()[1:] for line in rows.splitlines()}
    assert states["prepare"] == ["exited", "0"]
    assert states["worker"] == ["running", "0"]
    assert {name: states[name] for name in ("db", "redis", "web")} == dict.fromkeys(
        ("db", "redis", "web"), ["running", "healthy", "0"]
    )
    checks = json.loads(get(f"{stack.base}/readyz")[1])["checks"]
    assert set(checks.values()) == {"ok"}
    assert {"redis", "channel layer", "worker"} <= set(checks)


def test_the_example_runs_beside_the_worker_and_is_reached_from_outside(stack: Stack) -> None:
    said = stack.compose("exec -T worker timeout 100 python manage.py demo", timeout=120)
    url = said.split()[-1]
    assert url.startswith(f"http://{stack.remote.address}:"), said
    assert '"name": "sentiment-api"' in get(url)[1]


def test_without_a_password_nothing_starts(stack: Stack) -> None:
    done = stack.remote.try_run(
        "cd /srv/portal && POSTGRES_PASSWORD= docker compose config --quiet </dev/null"
    )
    assert done.returncode != 0
    assert "POSTGRES_PASSWORD is not set" in done.stderr


class Browser:
    """Pages with cookies, as a person has them."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def open(self, path: str, data: dict[str, str] | None = None) -> tuple[str, str]:
        """The address where it ended, and the page."""
        body = urllib.parse.urlencode(data).encode() if data is not None else None
        request = urllib.request.Request(f"{self.base}{path}", data=body, headers={"Origin": self.base})
        with self.opener.open(request, timeout=20) as answer:
            return answer.geturl(), answer.read().decode()

    def sign_in(self, password: str) -> str:
        _, page = self.open("/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token, page[:2000]
        form = {"csrfmiddlewaretoken": token[1], "username": "admin", "password": password}
        return self.open("/login/?next=/applications/", form)[0]


def test_the_password_that_was_shown_once_signs_in_through_the_form(stack: Stack) -> None:
    shown = re.search(r"password\s+(\S+)", stack.compose("logs --no-log-prefix prepare"))
    assert shown
    browser = Browser(stack.base)
    assert browser.sign_in("not the password").endswith("/login/?next=/applications/")
    assert urllib.parse.urlsplit(browser.sign_in(shown[1])).path == "/applications/"
    address, page = browser.open("/deploy/")
    assert address.endswith("/deploy/")
    assert 'name="git_url"' in page
    assert "portal_session" not in page
    with pytest.raises(urllib.error.HTTPError) as refusal:
        browser.open("/login/", {"username": "admin", "password": shown[1]})
    assert refusal.value.code == 403, "a form without its token is refused"


class Api:
    """The API with a token that a command in the container made."""

    def __init__(self, stack: Stack) -> None:
        made = stack.manage("token create --user admin --name compose-test --scopes admin")
        self.token = made.split()[-1]
        self.base = f"{stack.base}/api/v1"

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.base}{path}", method=method, data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None


def test_it_deploys_to_a_server_and_postgresql_and_redis_are_in_use(stack: Stack) -> None:
    name = f"compose-to-{secrets.token_hex(3)}"
    server = stack.cloud.add_server(name)
    try:
        api = Api(stack)
        key = Path(server["key_file"]).read_text()
        where = {"ssh_host": server["address"], "ssh_user": server["user"], "private_key": key}
        api.ask("POST", "/instances", {"name": "box", **where})
        api.ask("POST", "/instances/box/host-key", {"host_key": " ".join(server["host_key"].split()[:2])})
        wish = {
            "github_url": stack.cloud.app("hello"),
            "target": "box",
            "env": {"APP_GREETING": "it's $5 `é`"},
        }
        began = time.monotonic()
        started = api.ask("POST", "/deployments", wish)
        id = started["deployment_id"]
        channels = _channels_while_watched(stack, api, id)
        end = wait_until(
            lambda: api.ask("GET", f"/deployments/{id}"),
            lambda seen: seen["deployment"]["finished_at"],
            seconds=200,
        )["deployment"]
        stack.seconds["deployment"] = round(time.monotonic() - began, 1)
        print(f"compose: {stack.seconds}")
        assert end["status"] == "succeeded", end
        assert '"app": "hello"' in get(end["url"])[1]
        assert json.loads(get(end["url"] + "env")[1])["APP_GREETING"] == "it's $5 `é`"
    finally:
        stack.cloud.remove_server(name)
    assert set(stack.sql("select status from deployments_deployment").split()) == {"succeeded"}
    assert int(stack.sql("select sum(count) from deployments_logchunk")) > 10
    assert stack.compose("exec -T web find /data -name '*.sqlite3*'").strip() == ""
    assert channels, "whoever watches a log hears of it through Redis"
    clients = stack.redis("client list")
    assert clients.count("addr=") > 2, clients


def _channels_while_watched(stack: Stack, api: Api, id: str) -> list[str]:
    """The channels of Redis while somebody watches the log; the first lines must have come."""
    connection = socket.create_connection((stack.remote.address, PORT), timeout=20)
    with connection:
        lines = [
            f"GET /ws/deployments/{id}/?after=0 HTTP/1.1", f"Host: {stack.remote.address}:{PORT}",
            "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Authorization: Bearer {api.token}", "", "",
        ]  # fmt: skip
        connection.sendall("\r\n".join(lines).encode())
        seen = connection.recv(65536)
        assert seen.startswith(b"HTTP/1.1 101"), seen
        deadline = time.monotonic() + 20
        while b'"lines"' not in seen:
            assert time.monotonic() < deadline, seen
            seen += connection.recv(65536)
        return [name for name in stack.redis("pubsub channels").splitlines() if "log" in name]


def _status(url: str) -> int:
    try:
        return get(url)[0]
    except (OSError, http.client.HTTPException):
        return 0
