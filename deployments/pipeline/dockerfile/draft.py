"""A stage while it is being read."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field, replace

from deployments.pipeline.dockerfile.model import (
    DEFAULT_PATH,
    DEFAULT_SHELL,
    Command,
    DockerfileError,
    Instruction,
    Port,
    Stage,
    Surroundings,
)

# Variables, labels, ports, volumes: more of one kind are only met in files that want to fill our memory.
MAX_NAMES = 1000


def check_count(names: Sized, line: int) -> None:
    """Refuse more of one kind than any real file holds."""
    if len(names) > MAX_NAMES:
        raise DockerfileError(line, f"there are more than {MAX_NAMES} names of one kind")


@dataclass
class Draft:
    """What is known of a stage so far."""

    number: int
    name: str
    base: str
    line: int
    parent: int | None = None
    instructions: list[Instruction] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=lambda: {"PATH": DEFAULT_PATH})
    arguments: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    shell: tuple[str, ...] = DEFAULT_SHELL
    entrypoint: Command | None = None
    command: Command | None = None
    command_is_own: bool = False
    healthcheck: Command | None = None
    exposed: dict[Port, None] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    onbuild: list[str] = field(default_factory=list)
    # Kept until a variable changes, so that many RUN lines share one.
    known: Mapping[str, str] | None = None

    def variables(self) -> Mapping[str, str]:
        if self.known is None:
            self.known = {**self.arguments, **self.env}
        return self.known

    def set(self, variables: dict[str, str], name: str, value: str, line: int) -> None:
        """Set one of `env` or `arguments`."""
        variables[name] = value
        check_count(variables, line)
        self.known = None

    def surroundings(self) -> Surroundings:
        return Surroundings(self.variables(), self.workdir, self.user, self.shell)

    def child(self, *, number: int, name: str, base: str, line: int) -> Draft:
        """A stage that begins where this one ends."""
        return replace(
            self, number=number, name=name, base=base, line=line, parent=self.number, instructions=[],
            env=dict(self.env), arguments={}, command_is_own=False, exposed=dict(self.exposed),
            volumes=list(self.volumes), labels=dict(self.labels), onbuild=[], known=None,
        )  # fmt: skip

    def freeze(self) -> Stage:
        return Stage(
            self.number, self.name, self.base, self.line, self.parent, tuple(self.instructions), dict(self.env),
            self.workdir, self.user, self.shell, self.entrypoint, self.command, self.healthcheck,
            tuple(self.exposed), tuple(self.volumes), dict(self.labels), self.stop_signal, tuple(self.onbuild),
        )  # fmt: skip
