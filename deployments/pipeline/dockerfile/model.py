"""What a Dockerfile says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")


class DockerfileError(ValueError):
    """The file cannot be read: at which line, and why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


@dataclass(frozen=True)
class Heredoc:
    """A text that stands in the file after its instruction."""

    name: str
    content: str
    # False when the name was quoted: the text is then taken as it is.
    expand: bool
    # True for `<<-`: leading tabs were taken off.
    chomp: bool


@dataclass(frozen=True)
class Command:
    """CMD, ENTRYPOINT or HEALTHCHECK: a list of words, or one text for a shell."""

    words: tuple[str, ...]
    shell: bool
    line: int


@dataclass(frozen=True)
class Surroundings:
    """What holds at one line of a stage: variables (ENV and ARG), folder, user and shell."""

    env: Mapping[str, str]
    workdir: str
    user: str
    shell: tuple[str, ...]


@dataclass(frozen=True)
class Instruction:
    """One instruction. `words` are its arguments, expanded where Docker expands them."""

    keyword: str
    line: int
    text: str
    words: tuple[str, ...]
    flags: tuple[tuple[str, str], ...]
    heredocs: tuple[Heredoc, ...]
    json: bool
    surroundings: Surroundings

    def flag(self, name: str) -> str | None:
        """The last value of a flag such as `--from=…`; None when it was not given."""
        return dict(self.flags).get(name)


@dataclass(frozen=True)
class Port:
    """One published port."""

    number: int
    protocol: str


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next, and what an image made of it would say."""

    number: int
    name: str
    base: str
    line: int
    # The stage that it is based on, when `base` names one.
    parent: int | None
    instructions: tuple[Instruction, ...]
    env: Mapping[str, str]
    workdir: str
    user: str
    shell: tuple[str, ...]
    entrypoint: Command | None
    command: Command | None
    healthcheck: Command | None
    exposed: tuple[Port, ...]
    volumes: tuple[str, ...]
    labels: Mapping[str, str]
    stop_signal: str
    onbuild: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dockerfile:
    """A whole file."""

    stages: tuple[Stage, ...]
    directives: Mapping[str, str] = field(default_factory=dict)

    @property
    def final_stage(self) -> Stage:
        """The stage that becomes the image."""
        return self.stages[-1]

    @property
    def base_image(self) -> str:
        """The image outside this file that the final stage goes back to."""
        stage = self.final_stage
        while stage.parent is not None:
            stage = self.stages[stage.parent]
        return stage.base

    @property
    def exposed_ports(self) -> tuple[int, ...]:
        """The TCP ports of the final stage, in the order of the file."""
        return tuple(port.number for port in self.final_stage.exposed if port.protocol == "tcp")

    def find_stage(self, name: str, *, before: int) -> Stage | None:
        """The earlier stage that a `--from` names, by name or by number."""
        for stage in reversed(self.stages[:before]):
            if stage.name and stage.name == name.lower():
                return stage
        if name.isascii() and name.isdigit() and len(name) < 6 and int(name) < before:
            return self.stages[int(name)]
        return None

    def needed_stages(self) -> tuple[Stage, ...]:
        """The stages that the final one is made of, in the order of the file; others need no building."""
        wanted, seen = [self.final_stage], {self.final_stage.number}
        while wanted:
            for number in self._sources(wanted.pop()) - seen:
                seen.add(number)
                wanted.append(self.stages[number])
        return tuple(self.stages[number] for number in sorted(seen))

    def _sources(self, stage: Stage) -> set[int]:
        numbers = {stage.parent} if stage.parent is not None else set()
        for instruction in stage.instructions:
            for name in sources_named(instruction):
                if found := self.find_stage(name, before=stage.number):
                    numbers.add(found.number)
        return numbers


def sources_named(instruction: Instruction) -> list[str]:
    """The stages or images that an instruction takes files from."""
    names = []
    for flag, value in instruction.flags:
        if flag == "from":
            names.append(value)
        elif flag == "mount":
            options = dict(part.partition("=")[::2] for part in value.split(","))
            names += [options["from"]] if options.get("from") else []
    return names
