"""How a container's variables travel: by standard input, byte for byte, never by argv or a file.

The client reads values of one line from an environment file on its standard input. Values with line
ends cannot be written there; the client takes these from its own environment by name.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.pipeline.progress import StepFailed

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# In the client's own environment these would steer the client (its configuration, its plugins, its
# engine, the libraries that it loads) or the shell before it; they travel in the file only.
STEERING = re.compile(
    r"(PATH|HOME|IFS|ENV|BASH.*|SHELLOPTS|PS4|PWD|OLDPWD|TMPDIR|(LD|DOCKER|BUILDX|BUILDKIT|GO|XDG|OTEL|SSL)_?.*|.*_proxy)",
    re.IGNORECASE,
)
# The client reads the file line by line, with 64 KiB for a line.
LINE_LIMIT = 60_000


@dataclass(frozen=True)
class Environment:
    """Variables, made ready for the client's standard input."""

    # Shell assignments of the values with line ends, and the names that they set.
    assignments: bytes = field(repr=False)
    names: tuple[str, ...]
    lines: bytes = field(repr=False)

    @property
    def input(self) -> bytes:
        return self.assignments + self.lines


def prepare(variables: Mapping[str, str]) -> Environment:
    """Sort the variables by the way in which they travel."""
    assignments, names, lines = [], [], []
    for name, value in variables.items():
        _check(name, value)
        if _fits_a_line(name, value):
            lines.append(f"{name}={value}\n")
        elif STEERING.fullmatch(name):
            raise StepFailed("variable_refused", f"The variable {name} cannot have more than one line.")
        else:
            assignments.append(f"export {name}={shlex.quote(value)}\n")
            names.append(name)
    return Environment("".join(assignments).encode(), tuple(names), "".join(lines).encode())


def _check(name: str, value: str) -> None:
    """Refuse what is not a variable; the models refuse it long before."""
    if not NAME.fullmatch(name):
        raise StepFailed("variable_refused", f"{name!r} is not the name of a variable.")
    if "\0" in value:
        raise StepFailed("variable_refused", f"The value of {name} holds a NUL character.")


def _fits_a_line(name: str, value: str) -> bool:
    # A carriage return at the end of a line would be taken for a part of the line end.
    return not ("\n" in value or "\r" in value) and len(name) + len(value.encode()) < LINE_LIMIT
