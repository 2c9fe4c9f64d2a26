"""What this runtime cannot honour, said with the line and the ways out."""

from __future__ import annotations

WAYS_OUT = (
    "Two ways out: install a Docker engine on this machine or choose a target that has one; "
    "or base the image on python and leave system packages out."
)


class CannotHonour(Exception):
    """A line that needs a real container engine."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what} {WAYS_OUT}")
        self.line = line
        self.what = what
