"""What is gathered when a step fails: what there is to see, in time, and never at the cost of the failure itself."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.utils import timezone

from deployments.models import Deployment
from deployments.pipeline import evidence
from deployments.pipeline.context import Context
from deployments.pipeline.runtimes.base import Container
from deployments.states import Status
from instances.hosts.base import HostError, HostTimeout, Result
from instances.hosts.local import LocalHost
from portal.core.redact import Redactor
from tests import factories

pytestmark = pytest.mark.django_db


@dataclass
class Elsewhere:
    """A machine that answers every call with the same text."""

    out: str = ""
    root: str = "/var/lib/portal"
    seconds: float = 0
    calls: list[Sequence[str]] = field(default_factory=list)

    def call(self, argv: Sequence[str], *, input: bytes = b"", timeout: float = 10) -> Result:
        self.calls.append(argv)
        if self.seconds:
            time.sleep(min(self.seconds, timeout))
            raise HostTimeout("It took too long.")
        return Result(0, self.out, "")

    def connect(self, port: int, *, timeout: float) -> Any:
        raise ConnectionRefusedError


@dataclass
class OneContainer:
    """A runtime that knows one container."""

    host: Any
    container: Container | None
    text: str = ""
    trouble: Exception | None = None
    key: str = "docker"

    def inspect(self, name: str) -> Container | None:
        self.host.call(["inspect", name])
        if self.trouble:
            raise self.trouble
        return self.container

    def logs(self, name: str, *, tail: int) -> str:
        assert tail == 200
        return self.text


def context(host: Any, known: OneContainer | None = None, **facts: Any) -> Context:
    place = factories.environment(hostnames=["shop.example.com"])
    release = factories.release(place, health_path="/healthz")
    deployment: Deployment = factories.deployment_at(Status.RUNNING, of=place, release=release)
    deployment.facts = {"runtime": "docker", "container": "portal-shop", "host_port": 21000, **facts}
    step = deployment.steps.get(key="run")
    step.started_at = timezone.now() - timedelta(seconds=30)
    step.data = {"jobs": {"build": {}}}
    runtimes: Any = {"docker": known} if known else {}
    nothing: Any = None
    return Context(nothing, deployment, step, host, Redactor(), nothing, runtimes)


def test_this_machine_tells_of_its_disk_and_memory(tmp_path: Path) -> None:
    found = evidence.collect(context(LocalHost(tmp_path)), container=False)

    assert 0 <= found["disk_free_mb"] <= found["disk_total_mb"]
    assert 0 < found["memory_free_mb"] <= found["memory_mb"]
    assert (found["step"], found["commands"], found["container_port"]) == ("run", ["build"], 8000)
    assert "nginx_errors" not in found


def test_the_container_is_looked_at_before_it_is_taken_away() -> None:
    host = Elsewhere()
    gone = Container("portal-shop", running=False, exit_code=137, out_of_memory=True)

    found = evidence.collect(context(host, OneContainer(host, gone, "Killed\n")), container=True)

    assert (found["exit_code"], found["out_of_memory"], found["container_log"]) == (137, True, "Killed\n")
    assert "paths" not in found


def test_a_running_container_is_asked_for_the_usual_paths(tmp_path: Path) -> None:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/docs" else 404)
            self.end_headers()
            self.wfile.write(b"no such page")

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    host = LocalHost(tmp_path)
    running = Container("portal-shop", running=True, listening=("0.0.0.0:8000",))
    try:
        found = evidence.collect(
            context(host, OneContainer(host, running), host_port=server.server_port), container=True
        )
    finally:
        server.shutdown()
        server.server_close()

    assert found["paths"]["/healthz"] == 404
    assert found["paths"]["/docs"] == 200
    assert found["health_answer"] == "no such page"
    assert found["listening"] == ["0.0.0.0:8000"]


def test_a_machine_that_does_not_answer_costs_no_more_than_the_time_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evidence, "TOTAL_SECONDS", 0.6)
    host = Elsewhere(seconds=60)
    began = time.monotonic()

    found = evidence.collect(context(host, OneContainer(host, None)), container=True)

    assert time.monotonic() - began < 2
    assert found["step"] == "run"
    assert found["not_seen"]


@pytest.mark.parametrize("trouble", [HostError("The connection broke."), ValueError("odd answer")])
def test_what_cannot_be_seen_hides_nothing_else(trouble: Exception) -> None:
    host = Elsewhere("[engine]\n24.0.5\n")

    found = evidence.collect(context(host, OneContainer(host, None, "its words", trouble)), container=True)

    assert (found["container_log"], found["engine"]) == ("its words", "24.0.5")


def test_without_a_runtime_the_rest_is_gathered(tmp_path: Path) -> None:
    found = evidence.collect(context(LocalHost(tmp_path), runtime="unheard-of"), container=True)

    assert "disk_free_mb" in found


def test_the_proxys_errors_on_other_applications_stay_with_their_people() -> None:
    lines = [
        'error: upstream: "http://127.0.0.1:21999/secret", host: "other.example.com"',
        'error: upstream: "http://127.0.0.1:21000/", host: "x"',
        'error: client intended to send too large body, server: shop.example.com, request: "POST /"',
        "[emerg] unknown directive",
    ]
    host = Elsewhere("\n".join(["[nginx]", *lines]))

    found = evidence.collect(context(host), container=False)

    assert found["nginx_errors"].splitlines() == lines[1:]
    assert host.calls[-1][-1] == "nginx"


def test_only_what_the_kernel_killed_during_the_step_counts() -> None:
    host = Elsewhere(
        "[uptime]\n5000.00 9000.00\n[kernel]\n"
        "[  100.5] Out of memory: Killed process 1 (old)\n[ 4990.5] Out of memory: Killed process 2 (python)\n"
    )

    found = evidence.collect(context(host), container=False)

    assert found["kernel"] == "[ 4990.5] Out of memory: Killed process 2 (python)"


def test_the_fuller_disk_is_told() -> None:
    host = Elsewhere("[disk]\n/dev/a 20971520 1 10485760 50% /\n/dev/b 8388608 1 1024 99% /var/lib/docker\n")

    found = evidence.collect(context(host), container=False)

    assert (found["disk_free_mb"], found["disk_total_mb"]) == (1, 8192)


def test_long_words_are_cut_at_the_front() -> None:
    host = Elsewhere()
    container = Container("portal-shop", running=False, exit_code=1)

    found = evidence.collect(
        context(host, OneContainer(host, container, "x" * 50_000 + "end")), container=True
    )

    assert len(found["container_log"]) == 20_000
    assert found["container_log"].endswith("end")
