"""From what the image says to what is really started: ports, addresses and paths of this machine."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.pipeline.runtimes.process_build.paths import Tree

EVERYWHERE = ("0.0.0.0", "*", "[::]", "::")  # noqa: S104
# Options with numbers that are no ports.
NO_PORTS = (
    "backlog", "concurrency", "grace", "keep-alive", "keepalive", "limit", "max", "memory", "size", "threads", "timeout", "workers",
)  # fmt: skip
ADDRESSES = ("addr", "bind", "host", "ip", "listen", "server-name", "server.name", "server_name")
SHELLS = ("sh", "bash", "dash", "ash")


@dataclass(frozen=True)
class Ports:
    """The port inside, as the image knows it, and the loopback port that stands for it."""

    inside: int
    outside: int


def command_of(image: Mapping[str, Any]) -> list[str]:
    """ENTRYPOINT and CMD put together as Docker does."""
    entrypoint, command = image.get("entrypoint"), image.get("command")
    if entrypoint is None:
        return _words(image, command)
    if entrypoint["shell"]:
        # A text for the shell takes no arguments.
        return _words(image, entrypoint)
    return [*entrypoint["words"], *_words(image, command)]


def _words(image: Mapping[str, Any], command: Mapping[str, Any] | None) -> list[str]:
    if command is None:
        return []
    return [*image["shell"], *command["words"]] if command["shell"] else list(command["words"])


def adapt(words: Sequence[str], tree: Tree, ports: Ports) -> list[str]:
    """The command with its paths led into the image, and its port and address to the loopback."""
    adapted: list[str] = []
    is_shell = bool(words) and posixpath.basename(words[0]) in SHELLS
    for number, word in enumerate(words):
        before = words[number - 1] if number else ""
        text = tree.rewrite(word)
        is_text = is_shell and before.startswith("-") and before.endswith("c")
        adapted.append(adapt_text(text, ports) if is_text else adapt_word(text, before, ports))
    return adapted


def adapt_text(text: str, ports: Ports) -> str:
    """The same for the words of a shell text, whatever stands between them."""
    parts = re.split(r"([\s\"';|&()]+)", text)
    for number in range(0, len(parts), 2):
        before = parts[number - 2] if number >= 2 else ""
        parts[number] = adapt_word(parts[number], before, ports)
    return "".join(parts)


def adapt_word(word: str, before: str, ports: Ports) -> str:
    """One word: `8000`, `:8000`, `0.0.0.0:8000`, `--port=8000`, `--host=0.0.0.0`; any other stays."""
    option, equals, value = word.partition("=") if word.startswith("-") or "=" in word else ("", "", word)
    about = (option if equals else before).lower()
    front = option + equals
    scheme, slashes, rest = value.partition("://")
    if slashes:
        front, value = front + scheme + slashes, rest
    found = re.fullmatch(rf"(?:(?P<host>[\w.*\[\]:-]*):)?{ports.inside}(?P<slash>/?)", value)
    if found and not any(word in about for word in NO_PORTS):
        host = found["host"]
        address = "" if host is None else f"{_loopback(host)}:"
        return f"{front}{address}{ports.outside}{found['slash']}"
    for everywhere in ("0.0.0.0:", "[::]:"):
        # The port is one that only the shell will know.
        if value.startswith(everywhere):
            return f"{front}127.0.0.1:{value.removeprefix(everywhere)}"
    if value == EVERYWHERE[0] or (value in EVERYWHERE and any(word in about for word in ADDRESSES)):
        return f"{front}127.0.0.1"
    return word


def _loopback(host: str) -> str:
    return "127.0.0.1" if host in ("", *EVERYWHERE) else host


def adapt_environment(env: Mapping[str, str], tree: Tree, ports: Ports) -> dict[str, str]:
    """The image's own variables; what people set for the application is not touched here."""
    adapted = {}
    for name, value in env.items():
        if name == "PATH":
            adapted[name] = tree.rewrite_search_path(value)
        elif name.endswith("PORT") and value == str(ports.inside):
            adapted[name] = str(ports.outside)
        elif value == EVERYWHERE[0]:
            adapted[name] = "127.0.0.1"
        elif name.endswith(("ARGS", "OPTS", "BIND", "OPTIONS")):
            adapted[name] = adapt_text(tree.rewrite(value), ports)
        else:
            adapted[name] = tree.rewrite(value)
    return adapted
