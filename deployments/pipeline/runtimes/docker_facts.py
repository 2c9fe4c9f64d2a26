"""What the docker client and the kernel print, read into our own words."""

import ipaddress
import json
import re
from dataclasses import dataclass
from typing import Any

from deployments.pipeline.commands import RUN_LABEL
from deployments.pipeline.runtimes.base import Container

# From here on a process without any capability may listen on port 80 inside its container, and
# `docker run` can be told not to pull.
FLOOR = (20, 10)
# The first version with the repairs of CVE-2024-21626 and its sisters; distributions repair older ones.
REPAIRED = (25, 0, 2)
LISTENING = "0A"
# The engine's own name server inside user-defined networks.
ENGINE_DNS = "127.0.0.11"


@dataclass(frozen=True)
class EngineFacts:
    """The engine that answers."""

    version: str
    api: str
    platform: str
    # "" when all is well; otherwise what somebody should know about this version.
    note: str = ""


@dataclass(frozen=True)
class Found:
    """A container as the engine describes it, with what only we need to know."""

    container: Container
    status: str
    image_id: str
    stamp: str
    labels: dict[str, str]
    pid: int


def read_engine(text: str) -> EngineFacts | None:
    """Read `docker version --format '{{json .}}'`; None when no engine answered."""
    try:
        server = json.loads(text)["Server"]
        version = server["Version"]
    except (ValueError, TypeError, KeyError):
        return None
    platform = f"{server.get('Os', '')}/{server.get('Arch', '')}"
    return EngineFacts(version, server.get("ApiVersion", ""), platform, _note(version))


def _note(version: str) -> str:
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:3])
    if numbers < FLOOR:
        return f"Docker {version} is too old: 20.10 or newer is needed."
    if numbers < REPAIRED:
        return (
            f"Docker {version} is older than 25.0.2; see that its distribution has repaired CVE-2024-21626."
        )
    return ""


def read_containers(text: str) -> list[Found]:
    """Read `docker container inspect`."""
    return [_found(each) for each in json.loads(text or "[]")]


def _found(data: dict[str, Any]) -> Found:
    state, config = data["State"], data["Config"]
    labels = config.get("Labels") or {}
    # While it waits to be started again the engine calls it running, too.
    running = state["Running"] and not state["Restarting"]
    container = Container(
        name=data["Name"].removeprefix("/"),
        running=running,
        image=config["Image"],
        image_digest=data["Image"],
        exit_code=None if running or state["Status"] == "created" else state["ExitCode"],
        out_of_memory=state["OOMKilled"],
        restarts=data.get("RestartCount", 0),
        host_port=_host_port(data["HostConfig"]),
        labels=labels,
    )
    return Found(container, state["Status"], data["Image"], labels.get(RUN_LABEL, ""), labels, state["Pid"])


def _host_port(host_config: dict[str, Any]) -> int | None:
    for bindings in (host_config.get("PortBindings") or {}).values():
        for binding in bindings or []:
            return int(binding["HostPort"])
    return None


def read_listening(table: str) -> tuple[str, ...]:
    """Read /proc/<pid>/net/tcp and tcp6: the addresses where something listens."""
    rows = (line.split() for line in table.splitlines())
    addresses = {_address(row[1]) for row in rows if len(row) > 3 and row[3] == LISTENING}
    return tuple(sorted(a for a in addresses if not a.startswith(ENGINE_DNS)))


def _address(text: str) -> str:
    """Turn `0100007F:1F90` into `127.0.0.1:8080`; the kernel prints words in its own byte order."""
    digits, _, port = text.partition(":")
    words = [bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(words))
    return f"[{address}]:{int(port, 16)}" if address.version == 6 else f"{address}:{int(port, 16)}"
