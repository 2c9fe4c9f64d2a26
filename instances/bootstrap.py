"""The script that makes a server ready: Docker, NGINX, Git, and what else is asked for."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

SOURCES = ("distribution", "docker")
EXTRAS = ("swap", "sysctl", "firewall", "tools")
PARTS = ("docker", "nginx", "git", "extras", "all", "warm")

_FAILED = re.compile(r"^portal-bootstrap: failed: ([a-z_]+) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Failure:
    """Why the script ended: a word for programs such as `no_network`, a sentence for people."""

    word: str
    sentence: str


def script(*, source: str = "distribution", extras: Sequence[str] = (), part: Sequence[str] = ()) -> str:
    """The script as text. With a `part` such as `["all", "python:3.12"]` it needs no argument."""
    if source not in SOURCES:
        raise ValueError(f"{source!r} is none of {', '.join(SOURCES)}.")
    unknown = [extra for extra in extras if extra not in EXTRAS]
    if unknown or (part and part[0] not in PARTS):
        raise ValueError(f"The script knows no {', '.join(unknown) or part[0]}.")
    public = settings.REMOTE_PUBLIC_PORTS
    values = [
        f"PORTAL_DOCKER_SOURCE={source}",
        f"PORTAL_EXTRAS={shlex.quote(' '.join(extras))}",
        f"PORTAL_PUBLIC_PORTS={public.start}:{public.stop - 1}",
    ]
    if part:
        values.append(f"set -- {shlex.join(part)}")
    head, rest = text().split("\nset -u\n", 1)
    return "\n".join([head, *values, "set -u", rest])


def failure_in(output: str) -> Failure | None:
    """What the script said last about its failure, or None when it said nothing."""
    found = _FAILED.findall(output)
    return Failure(*found[-1]) if found else None


@cache
def text() -> str:
    """The script as people download it; its settings come from the environment."""
    return Path(__file__).with_name("bootstrap.sh").read_text()
