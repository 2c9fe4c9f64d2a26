"""Reads a Dockerfile: one pass over its lines, with the variables that hold at each."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping

from deployments.pipeline.dockerfile.draft import Draft, check_count
from deployments.pipeline.dockerfile.expand import expand, expand_words, split_words
from deployments.pipeline.dockerfile.lines import LogicalLine, read_directives, read_lines
from deployments.pipeline.dockerfile.model import Dockerfile, DockerfileError, Instruction
from deployments.pipeline.dockerfile.parts import (
    KEYWORDS,
    check_name,
    command,
    json_words,
    keyword,
    ports,
    take_flags,
)

MAX_BYTES = 1 << 20
MAX_INSTRUCTIONS = 5000
PLATFORM = {
    "BUILDPLATFORM": "linux/amd64", "BUILDOS": "linux", "BUILDARCH": "amd64", "BUILDVARIANT": "",
    "TARGETPLATFORM": "linux/amd64", "TARGETOS": "linux", "TARGETARCH": "amd64", "TARGETVARIANT": "",
}  # fmt: skip
WITH_FLAGS = {"ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"}
# A list of words in JSON is another way to write these.
WITH_JSON = {"ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"}
STAGE_NAME = re.compile(r"[a-z][a-z0-9._-]*$")


def read(text: str, *, build_args: Mapping[str, str] | None = None) -> Dockerfile:
    """Read a Dockerfile; raises DockerfileError with the line when it cannot be read."""
    if len(text) > MAX_BYTES:
        raise DockerfileError(1, f"the file is larger than {MAX_BYTES // 1024} KiB")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DockerfileError(line, "the file holds a NUL byte; it is no text")
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    directives = read_directives(lines)
    reader = _FileReader(directives.get("escape", "\\"), build_args or {})
    for count, logical in enumerate(read_lines(lines, escape=reader.escape)):
        if count >= MAX_INSTRUCTIONS:
            raise DockerfileError(logical.number, f"there are more than {MAX_INSTRUCTIONS} instructions")
        reader.take(logical)
    if not reader.stages:
        raise DockerfileError(1, "there is no FROM instruction")
    return Dockerfile(tuple(stage.freeze() for stage in reader.stages), directives)


class _FileReader:
    """Holds the stages read so far; each method below takes one instruction."""

    def __init__(self, escape: str, build_args: Mapping[str, str]) -> None:
        self.escape = escape
        self.build_args = build_args
        self.declared: dict[str, str] = dict(PLATFORM)
        self.stages: list[Draft] = []

    def take(self, line: LogicalLine) -> None:
        name, text = keyword(line.text, line.number)
        if name == "FROM":
            self._from(line, text)
        elif self.stages:
            self._in_stage(line, name, text)
        elif name == "ARG":
            self._global_argument(line, text)
        else:
            raise DockerfileError(line.number, f"{name} stands before the first FROM")

    @property
    def stage(self) -> Draft:
        return self.stages[-1]

    def expand(self, text: str, line: int, env: Mapping[str, str] | None = None) -> str:
        return expand(text, self.stage.variables() if env is None else env, line=line, escape=self.escape)

    def expand_words(self, text: str, line: int) -> list[str]:
        return expand_words(text, self.stage.variables(), line=line, escape=self.escape)

    def _global_argument(self, line: LogicalLine, text: str) -> None:
        for name, default in self._arguments(line.number, text):
            value = default and expand(default, self.declared, line=line.number, escape=self.escape)
            self.declared[name] = self.build_args.get(name, value or "")
            check_count(self.declared, line.number)

    def _arguments(self, line: int, text: str) -> list[tuple[str, str | None]]:
        arguments: list[tuple[str, str | None]] = []
        for word in split_words(text, escape=self.escape):
            name, equals, default = word.partition("=")
            check_name(name, line)
            arguments.append((name, default if equals else None))
        if not arguments:
            raise DockerfileError(line, "ARG needs a name")
        return arguments

    def _from(self, line: LogicalLine, text: str) -> None:
        _, rest = take_flags(text, line.number)
        words = rest.split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            raise DockerfileError(line.number, "FROM must read: FROM image, or FROM image AS name")
        base = self.expand(words[0], line.number, self.declared)
        if not base:
            raise DockerfileError(line.number, f"the name of the base image, {words[0]}, is empty")
        name = words[2].lower() if len(words) == 3 else ""
        if name and not STAGE_NAME.match(name):
            raise DockerfileError(line.number, f"{name[:80]!r} is no name for a stage")
        self.stages.append(self._new_stage(line.number, base, name))

    def _new_stage(self, line: int, base: str, name: str) -> Draft:
        number = len(self.stages)
        for earlier in reversed(self.stages):
            if earlier.name and earlier.name == base.lower():
                return earlier.child(number=number, name=name, base=base, line=line)
        return Draft(number, name, base, line)

    def _in_stage(self, line: LogicalLine, name: str, text: str) -> None:
        flags, rest = take_flags(text, line.number) if name in WITH_FLAGS else ((), text)
        words = json_words(rest, line.number) if name in WITH_JSON else None
        if not rest and not line.heredocs:
            raise DockerfileError(line.number, f"{name} needs an argument")
        # What holds before the instruction, not after it.
        surroundings = self.stage.surroundings()
        if name != "HEALTHCHECK":
            flags = tuple((flag, self.expand(value, line.number)) for flag, value in flags)
        handler: Callable[[int, str, list[str] | None], list[str]] = getattr(self, f"_{name.lower()}")
        expanded = tuple(handler(line.number, rest, words))
        self.stage.instructions.append(
            Instruction(
                name, line.number, rest, expanded, flags, line.heredocs, words is not None, surroundings
            )
        )

    def _arg(self, line: int, text: str, words: list[str] | None) -> list[str]:
        names = []
        for name, default in self._arguments(line, text):
            value = self.build_args.get(name)
            if value is None and default is not None:
                value = self.expand(default, line)
            if value is None:
                value = self.declared.get(name)
            if value is not None:
                self.stage.set(self.stage.arguments, name, value, line)
            names.append(name)
        return names

    def _env(self, line: int, text: str, words: list[str] | None) -> list[str]:
        # All values of one line see the variables as they were before it.
        new = self._pairs(line, text)
        for name, value in new.items():
            self.stage.set(self.stage.env, name, value, line)
        return [f"{name}={value}" for name, value in new.items()]

    def _label(self, line: int, text: str, words: list[str] | None) -> list[str]:
        new = self._pairs(line, text, names=False)
        self.stage.labels.update(new)
        check_count(self.stage.labels, line)
        return [f"{name}={value}" for name, value in new.items()]

    def _pairs(self, line: int, text: str, *, names: bool = True) -> dict[str, str]:
        words = split_words(text, escape=self.escape)
        if "=" not in words[0]:
            # The old form: one name, and everything after it is the value.
            old = text.split(None, 1)
            if len(old) < 2:
                raise DockerfileError(line, f"{old[0][:80]} has no value")
            words = ["=".join(old)]
        pairs = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals:
                raise DockerfileError(line, f"{word[:80]} must read name=value")
            name = self.expand(name, line)
            if names:
                check_name(name, line)
            pairs[name] = self.expand(value, line)
        return pairs

    def _workdir(self, line: int, text: str, words: list[str] | None) -> list[str]:
        folder = self.expand(text, line)
        if not folder:
            raise DockerfileError(line, "WORKDIR needs a folder")
        self.stage.workdir = posixpath.normpath(posixpath.join(self.stage.workdir, folder)).replace("//", "/")
        return [self.stage.workdir]

    def _user(self, line: int, text: str, words: list[str] | None) -> list[str]:
        self.stage.user = self.expand(text, line)
        return [self.stage.user]

    def _expose(self, line: int, text: str, words: list[str] | None) -> list[str]:
        expanded = self.expand_words(text, line)
        for word in expanded:
            self.stage.exposed.update(dict.fromkeys(ports(word, line)))
            check_count(self.stage.exposed, line)
        return expanded

    def _volume(self, line: int, text: str, words: list[str] | None) -> list[str]:
        folders = (
            self.expand_words(text, line) if words is None else [self.expand(word, line) for word in words]
        )
        self.stage.volumes += folders
        check_count(self.stage.volumes, line)
        return folders

    def _copy(self, line: int, text: str, words: list[str] | None) -> list[str]:
        raw = words if words is not None else split_words(text, escape=self.escape)
        if len(raw) < 2:
            raise DockerfileError(line, "COPY and ADD need a source and a destination")
        return [self.expand(word, line) for word in raw]

    _add = _copy

    def _run(self, line: int, text: str, words: list[str] | None) -> list[str]:
        if words == []:
            raise DockerfileError(line, "RUN needs a command")
        return words or []

    def _cmd(self, line: int, text: str, words: list[str] | None) -> list[str]:
        self.stage.command = command(line, text, words)
        self.stage.command_is_own = True
        return words or []

    def _entrypoint(self, line: int, text: str, words: list[str] | None) -> list[str]:
        self.stage.entrypoint = command(line, text, words)
        # A new ENTRYPOINT forgets the CMD of the base, as Docker does.
        if not self.stage.command_is_own:
            self.stage.command = None
        return words or []

    def _healthcheck(self, line: int, text: str, words: list[str] | None) -> list[str]:
        kind, _, rest = text.partition(" ")
        if kind.upper() == "NONE":
            self.stage.healthcheck = None
        elif kind.upper() == "CMD" and rest.strip():
            self.stage.healthcheck = command(line, rest.strip(), json_words(rest.strip(), line))
        else:
            raise DockerfileError(line, "HEALTHCHECK must read NONE, or CMD with a command")
        return []

    def _shell(self, line: int, text: str, words: list[str] | None) -> list[str]:
        if not words:
            raise DockerfileError(line, "SHELL needs a JSON list of words")
        self.stage.shell = tuple(words)
        return words

    def _stopsignal(self, line: int, text: str, words: list[str] | None) -> list[str]:
        self.stage.stop_signal = self.expand(text, line)
        return [self.stage.stop_signal]

    def _onbuild(self, line: int, text: str, words: list[str] | None) -> list[str]:
        name = text.split()[0].upper()
        if name not in KEYWORDS - {"ONBUILD", "FROM", "MAINTAINER"}:
            raise DockerfileError(line, f"ONBUILD cannot hold {name[:20]}")
        self.stage.onbuild.append(text)
        return []

    def _maintainer(self, line: int, text: str, words: list[str] | None) -> list[str]:
        return [text]
