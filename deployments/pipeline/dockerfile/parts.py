"""The parts of one line: keyword, flags, JSON lists, ports, names."""

from __future__ import annotations

import json
import re

from deployments.pipeline.dockerfile.model import Command, DockerfileError, Port

KEYWORDS = {
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER",
    "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip
MAX_FLAGS = 50
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*$")
PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/([A-Za-z]+))?$")


def keyword(text: str, line: int) -> tuple[str, str]:
    """The instruction's name and the rest of its line."""
    parts = text.split(None, 1)
    name = parts[0].upper()
    if name not in KEYWORDS:
        raise DockerfileError(line, f"{parts[0][:40]!r} is no instruction")
    return name, parts[1] if len(parts) > 1 else ""


def take_flags(text: str, line: int) -> tuple[tuple[tuple[str, str], ...], str]:
    """The `--name=value` words in front, and what follows them."""
    flags: list[tuple[str, str]] = []
    rest = text
    while rest.startswith("--"):
        if len(flags) >= MAX_FLAGS:
            raise DockerfileError(line, f"there are more than {MAX_FLAGS} flags")
        parts = rest.split(None, 1)
        if parts[0] == "--":
            break
        name, _, value = parts[0][2:].partition("=")
        flags.append((name, value))
        rest = parts[1] if len(parts) > 1 else ""
    return tuple(flags), rest


def json_words(text: str, line: int) -> list[str] | None:
    """The words of a JSON list; None when it is none and so a text for the shell."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    if any("\0" in word or _has_surrogate(word) for word in words):
        raise DockerfileError(line, "a word holds a character that no command can be given")
    return words


def _has_surrogate(word: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in word)


def command(line: int, text: str, words: list[str] | None) -> Command | None:
    """A command in either form; None when an empty list takes back what the base said."""
    if words is None:
        return Command((text,), shell=True, line=line)  # noqa: S604 — a value; nothing is run here
    return Command(tuple(words), shell=False, line=line) if words else None


def ports(word: str, line: int) -> list[Port]:
    """The ports that one word of EXPOSE names."""
    # `8080:80` is a habit from `docker run`; Docker refuses it here too.
    found = PORT.match(word)
    if not found:
        raise DockerfileError(line, f"{word[:40]!r} is no port to expose")
    first, last = int(found.group(1)), int(found.group(2) or found.group(1))
    protocol = (found.group(3) or "tcp").lower()
    if not 0 < first <= last <= 65535 or protocol not in ("tcp", "udp", "sctp"):
        raise DockerfileError(line, f"{word[:40]!r} is no port to expose")
    return [Port(number, protocol) for number in range(first, last + 1)]


def check_name(name: str, line: int) -> None:
    """Refuse what is no name for a variable."""
    if not VARIABLE_NAME.match(name):
        raise DockerfileError(line, f"{name[:80]!r} is no name for a variable")
