"""What is read of a container's log at a time: whole lines, and the place after which to read on."""

from dataclasses import dataclass

# A short command returns at most a megabyte, and a piece may travel as base64.
PIECE_BYTES = 512 * 1024


@dataclass(frozen=True)
class Piece:
    """Whole lines as they were written.

    `cursor` stands behind the last one; it means the same in every process and after a restart.
    """

    lines: tuple[bytes, ...]
    cursor: str
    # Whether there may be more to read at once.
    more: bool = False
    # Whether each line begins with its time and a space.
    stamped: bool = False


class NoContainer(Exception):
    """There is no container of that name, so there is no log of it."""
