"""What is gathered on the machine when a step has failed, before anything is taken away."""

import copy
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from deployments.pipeline.context import Context
from deployments.pipeline.health import USUAL_PATHS
from instances.hosts import http
from instances.hosts.base import Host, HostError, HostTimeout, Result
from instances.hosts.local import LocalHost

logger = logging.getLogger(__name__)

TOTAL_SECONDS = 8.0
CALL_SECONDS = 3.0
PROBE_SECONDS = 0.8
LOG_LINES = 200
LOG_LENGTH = 20_000
NGINX_LINES = 50
LINE_LENGTH = 500
PATHS = (*USUAL_PATHS, "/docs", "/api/health")

# One call for everything that the machine itself can tell: each part begins with its name in brackets.
LOOK = """
echo '[disk]'; df -Pk -- "$1" /var/lib/docker 2>/dev/null | tail -n +2
echo '[memory]'; grep -E '^(MemTotal|MemAvailable|SwapTotal|SwapFree):' /proc/meminfo 2>/dev/null
echo '[uptime]'; cat /proc/uptime 2>/dev/null
echo '[engine]'; command -v docker >/dev/null && timeout 2 docker version --format '{{.Server.Version}}' 2>/dev/null
echo '[kernel]'; timeout 1 dmesg 2>/dev/null | grep -E 'Out of memory|oom-kill|Killed process' | tail -n 5
if [ "$2" = nginx ]; then echo '[nginx]'; tail -n 400 /var/log/nginx/error.log 2>/dev/null; fi
true
"""


class _Hurried:
    """A host whose every call ends before the time for all of them is up."""

    def __init__(self, host: Host, until: float) -> None:
        self._host = host
        self._until = until
        self.root = host.root

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    @property
    def left(self) -> float:
        left = self._until - time.monotonic()
        if left < 0.1:
            raise HostTimeout("There was no time left to look.")
        return left

    def call(self, argv: Sequence[str], *, input: bytes = b"", timeout: float = 10) -> Result:
        return self._host.call(argv, input=input, timeout=min(timeout, CALL_SECONDS, self.left))

    def connect(self, port: int, *, timeout: float) -> Any:
        return self._host.connect(port, timeout=min(timeout, self.left))


@dataclass
class _Look:
    """One gathering, and what it has found."""

    ctx: Context
    host: Any
    found: dict[str, Any]

    def attempt(self, part: Callable[["_Look"], dict[str, Any]]) -> None:
        """Take what this part finds; a part that breaks leaves the others their chance."""
        try:
            self.found.update(part(self))
        except HostError as error:
            self.found.setdefault("not_seen", []).append(f"{part.__name__.strip('_')}: {error}"[:LINE_LENGTH])
        except Exception:
            logger.exception("%s: gathering %s broke", self.ctx.deployment, part.__name__)


def collect(ctx: Context, *, container: bool) -> dict[str, Any]:
    """What can be seen within eight seconds; never raises, and says in `not_seen` what could not be asked.

    `container`: also look at the container that the deployment started.
    """
    look = _Look(ctx, _Hurried(ctx.host, time.monotonic() + TOTAL_SECONDS), {})
    look.attempt(_circumstances)
    if container and ctx.facts.get("container"):
        look.attempt(_container)
        look.attempt(_container_log)
        if look.found.get("container_running"):
            look.attempt(_paths)
    look.attempt(_machine)
    return look.found


def _circumstances(look: _Look) -> dict[str, Any]:
    """What is known without asking anybody."""
    ctx = look.ctx
    found: dict[str, Any] = {
        "step": ctx.step.key,
        "commands": list(ctx.step.data.get("jobs", {})),
        "instance": ctx.deployment.instance.name,
        "address": ctx.deployment.instance.address,
    }
    release = ctx.deployment.release
    if release is not None:
        found |= {"container_port": _port(ctx), "health_path": release.health_path}
    return found


def _port(ctx: Context) -> int | None:
    """Where the application is asked: a process has no port of its own inside."""
    assert ctx.deployment.release is not None
    if ctx.facts.get("runtime") == "process":
        return ctx.facts.get("host_port")
    return ctx.deployment.release.container_port


def _runtime(look: _Look) -> Any:
    """The same runtime, in a hurry."""
    runtime = copy.copy(look.ctx.runtime)
    runtime.host = look.host
    return runtime


def _container(look: _Look) -> dict[str, Any]:
    container = _runtime(look).inspect(look.ctx.facts["container"])
    if container is None:
        return {}
    return {
        "container_running": container.running,
        "exit_code": container.exit_code,
        "out_of_memory": container.out_of_memory,
        "restarts": container.restarts,
        "listening": list(container.listening),
    }


def _container_log(look: _Look) -> dict[str, Any]:
    text = _runtime(look).logs(look.ctx.facts["container"], tail=LOG_LINES)
    return {"container_log": text[-LOG_LENGTH:]}


def _paths(look: _Look) -> dict[str, Any]:
    """What the usual paths answer, for a health path that nobody serves."""
    asked = look.found.get("health_path") or ""
    answers: dict[str, int] = {}
    for path in dict.fromkeys([asked, *PATHS] if asked else PATHS):
        answer = http.get(look.host, look.ctx.facts["host_port"], path, timeout=PROBE_SECONDS)
        if answer.status is None:
            break
        answers[path] = answer.status
        if path == asked and answer.status >= 400:
            look.found["health_answer"] = answer.body[:1000]
    return {"paths": answers}


def _machine(look: _Look) -> dict[str, Any]:
    remote = not isinstance(look.ctx.host, LocalHost)
    argv = ["sh", "-c", LOOK, "look", look.host.root, "nginx" if remote else ""]
    parts = _parts(look.host.call(argv, timeout=CALL_SECONDS).out)
    found: dict[str, Any] = _disk(parts.get("disk", [])) | _memory(parts.get("memory", []))
    if engine := "".join(parts.get("engine", [])):
        found["engine"] = engine
    if kernel := _recent(parts.get("kernel", []), parts.get("uptime", []), _age(look.ctx)):
        found["kernel"] = "\n".join(kernel)
    if nginx := _ours(parts.get("nginx", []), look.ctx):
        found["nginx_errors"] = "\n".join(nginx)
    return found


def _parts(text: str) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line in ("[disk]", "[memory]", "[uptime]", "[engine]", "[kernel]", "[nginx]"):
            name = line.strip("[]")
        elif line.strip():
            parts.setdefault(name, []).append(line[:LINE_LENGTH])
    return parts


def _disk(lines: list[str]) -> dict[str, int]:
    """The fuller one of the portal's and the engine's disks, in MB."""
    rows = [line.split() for line in lines]
    sizes = [
        (int(words[3]) // 1024, int(words[1]) // 1024)
        for words in rows
        if len(words) > 3 and words[1].isdecimal() and words[3].isdecimal()
    ]
    if not sizes:
        return {}
    free, total = min(sizes)
    return {"disk_total_mb": total, "disk_free_mb": free}


def _memory(lines: list[str]) -> dict[str, int]:
    names = {
        "MemTotal": "memory_mb", "MemAvailable": "memory_free_mb",
        "SwapTotal": "swap_mb", "SwapFree": "swap_free_mb",
    }  # fmt: skip
    found = {}
    for line in lines:
        name, _, rest = line.partition(":")
        with suppress(ValueError, IndexError):
            found[names[name]] = int(rest.split()[0]) // 1024
    return found


def _age(ctx: Context) -> float:
    """How far back the kernel's words may belong to this step."""
    return ctx.seconds_in_step() + 60 if ctx.step.started_at is not None else 0


def _recent(lines: list[str], uptime: list[str], age: float) -> list[str]:
    """Lines such as `[ 1528.330968] Out of memory: …` that are not older than the step."""
    try:
        since = float(uptime[0].split()[0]) - age
    except (IndexError, ValueError):
        return []
    recent = []
    for line in lines:
        with suppress(ValueError):
            if float(line.partition("]")[0].lstrip("[ ")) >= since:
                recent.append(line)
    return recent


def _ours(lines: list[str], ctx: Context) -> list[str]:
    """The proxy's lines on this application; those on others are none of its people's business."""
    facts = ctx.facts
    marks = [f":{port}/" for port in (facts.get("host_port"), facts.get("public_port")) if port]
    ours = [
        line
        for line in lines
        if "[emerg]" in line or any(mark in line for mark in marks) or any(n in line for n in _hostnames(ctx))
    ]
    return ours[-NGINX_LINES:]


def _hostnames(ctx: Context) -> list[str]:
    return [f"server: {name}," for name in ctx.environment.hostnames]
