"""A portal of its own for a test: a data directory, a database, and real worker processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "examples" / "sentiment-api").as_uri()

# A worker without the queue: it looks for work all the time, so a test need not wait for a wake-up.
WORKER = """
    import time
    from deployments import tasks
    while True:
        tasks.run_until(time.monotonic() + 5)
        time.sleep(0.05)
"""


SHELL = """
    import json, sys, traceback
    for line in sys.stdin:
        names = {"answer": None}
        try:
            exec(json.loads(line), names)
            print(json.dumps({"answer": names["answer"]}))
        except BaseException:
            print(json.dumps({"error": traceback.format_exc()}))
"""


class Portal:
    """One portal below a folder; everything of it ends with `close`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/root"),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PORTAL_DATA_DIR": str(folder),
            "PORTAL_LEASE_SECONDS": "1",
            "PORTAL_PROVING_SECONDS": "0",
            "PORTAL_LOCAL_RUNTIME": "process",
            "HEALTH_CHECK_RETRIES": "10",
            "LOG_LEVEL": "WARNING",
            **_free_ranges(),
            **environment,
        }
        self._workers: list[subprocess.Popen[bytes]] = []
        self._shell: subprocess.Popen[str] | None = None
        self.run("from django.core.management import call_command; call_command('migrate', verbosity=0)")
        self.run("from django.core.management import call_command; call_command('createcachetable')")
        self.run(
            """
            from portal.core.models import *
            team = Team.objects.create(name="Default", slug="default")
            user = User.objects.create_superuser("admin", password="correct horse battery")
            Membership.objects.create(user=user, team=team, role="admin")
            """
        )

    def run(self, code: str, **environment: str) -> Any:
        """Run code inside the portal; what it assigns to `answer` comes back."""
        if not environment:
            return self._ask_shell(code)
        done = subprocess.run(
            [sys.executable, "-c", _program(code, answers=True)], cwd=ROOT, env={**self.environment, **environment},
            capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.strip().splitlines()[-1])

    def _ask_shell(self, code: str) -> Any:
        """One process answers all questions, for starting one takes longer than most answers."""
        if self._shell is None:
            self._shell = subprocess.Popen(
                [sys.executable, "-u", "-c", _program(SHELL)], cwd=ROOT, env=self.environment,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            )  # fmt: skip
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(json.dumps(textwrap.dedent(code)) + "\n")
        self._shell.stdin.flush()
        answer = json.loads(self._shell.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["answer"]

    def start_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        log = (self.folder / "worker.log").open("ab")
        worker = subprocess.Popen(
            [sys.executable, "-c", _program(WORKER)], cwd=ROOT, env={**self.environment, **environment},
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        self._workers.append(worker)
        return worker

    def deploy(self, url: str = EXAMPLE, **options: Any) -> str:
        """Queue a deployment as the administrator; its uuid."""
        uuid: str = self.run(
            f"""
            from deployments import actions
            from portal.core.models import User
            started = actions.deploy_url(git_url={url!r}, by=User.objects.get(username="admin"), **{options!r})
            answer = str(started.deployment.uuid)
            """
        )
        return uuid

    def state(self, uuid: str) -> dict[str, Any]:
        """What the tables say about a deployment."""
        state: dict[str, Any] = self.run(
            f"""
            from deployments import logs
            from deployments.models import Deployment
            d = Deployment.objects.select_related("environment").get(uuid={uuid!r})
            # Only of one that has ended: a long log is not read again at every look.
            numbers = [line.number for line in logs.read(d, after=0, limit=10**6)] if d.finished_at else []
            answer = dict(
                status=d.status, code=d.failure_code, detail=d.failure_detail, url=d.url, numbers=numbers, count=d.log_count,
                steps=[[s.key, s.status, s.message] for s in d.steps.all()], finished=d.finished_at is not None,
                environment=str(d.environment.uuid), health=d.environment.health, container=d.environment.live_container,
            )
            """
        )
        return state

    def wait_for_end(self, uuid: str, *, seconds: float = 90) -> dict[str, Any]:
        return wait_until(lambda: self.state(uuid), lambda state: state["finished"], seconds=seconds)

    def containers(self, environment: str) -> list[dict[str, Any]]:
        """What really runs, as the runtimes see it."""
        found: list[dict[str, Any]] = self.run(
            f"""
            from deployments.pipeline.places import place_of
            from instances.actions import ensure_local_instance
            place = place_of(ensure_local_instance())
            answer = [
                dict(name=c.name, running=c.running)
                for runtime in place.runtimes.values() for c in runtime.containers({{"portal.environment": {environment!r}}})
            ]
            """
        )
        return found

    def close(self) -> None:
        """End the workers, the applications and the proxy, each by its own id."""
        for worker in self._workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait(timeout=10)
        proxy = self.run(
            """
            from deployments.models import Environment
            from deployments.pipeline.places import place_of
            from instances.actions import ensure_local_instance
            from instances.hosts.base import HostError
            place = place_of(ensure_local_instance())
            for environment in Environment.objects.all():
                for runtime in place.runtimes.values():
                    for container in runtime.containers({"portal.environment": str(environment.uuid)}):
                        runtime.remove(container.name)
            try:
                answer = place.proxy._ask({"op": "ping"})["pid"]
            except HostError:
                answer = None
            """
        )
        if proxy is not None:
            os.kill(proxy, signal.SIGTERM)
        if self._shell is not None:
            self._shell.kill()
            self._shell.wait(timeout=10)


def wait_until(look: Callable[[], Any], good: Callable[[Any], bool], *, seconds: float) -> Any:
    """Look until it is good; fail with what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if good(seen):
            return seen
        assert time.monotonic() < deadline, f"not within {seconds} s: {seen}"
        time.sleep(0.2)


def _program(code: str, *, answers: bool = False) -> str:
    ending = "\nimport json\nprint(json.dumps(answer))" if answers else ""
    return "import django\ndjango.setup()\nanswer = None\n" + textwrap.dedent(code) + ending


def _free_ranges() -> dict[str, str]:
    """Two ranges of ports that nobody listens on, away from those of a portal that may run here."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        start = 23000 + (probe.getsockname()[1] * 7) % 8000
    return {
        "PORTAL_LOCAL_PUBLIC_PORTS": f"{start}-{start + 99}",
        "PORTAL_LOCAL_PRIVATE_PORTS": f"{start + 100}-{start + 399}",
    }
