"""Reads a container's log from the engine in pieces, by the times that the engine has noted.

A cursor is the time of the last line, and how many lines with that very time were read: the engine
takes a time as the beginning, and includes it.
"""

import re

from deployments.pipeline import commands
from deployments.pipeline.runtimes.log_pieces import PIECE_BYTES, NoContainer, Piece
from instances.hosts.base import Host, HostError

CURSOR = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)~(?P<count>\d{1,6})")
# The head of what is there when reading on, its end when reading the newest; the client's exit code
# goes to the error output. The client dies of a closed pipe once the piece is full.
SCRIPT = """
which=$1 limit=$2; shift 2
{ { "$@" 2>&1; echo "$?" >&3; } | "$which" -c "$limit"; } 3>&2
"""
PIPE_CLOSED = "141"
READ_SECONDS = 8.0


def read_newest(host: Host, name: str, *, lines: int, since: str = "") -> Piece:
    """The last lines, optionally only those since a time (RFC 3339)."""
    options = [f"--tail={lines}", *([f"--since={since}"] if since else [])]
    text = _ask(host, name, "tail", options)
    whole = text.split("\n")
    # The first one may have been cut in the middle.
    kept = whole[1:] if len(text.encode()) >= PIECE_BYTES else whole
    return _piece(kept, "", more=False)


def read_on(host: Host, name: str, cursor: str) -> Piece:
    """What was written after a cursor, the oldest first; from the beginning when the cursor is no cursor."""
    found = CURSOR.fullmatch(cursor)
    text = _ask(host, name, "head", [f"--since={found['time']}"] if found else [])
    lines = text.split("\n")
    more = len(text.encode()) >= PIECE_BYTES
    if more and len(lines) > 1:
        lines.pop()
    if found:
        lines = _without_read_ones(lines, found["time"], int(found["count"]))
    return _piece(lines, cursor if found else "", more=more)


def _ask(host: Host, name: str, which: str, options: list[str]) -> str:
    client = ["docker", "logs", "--timestamps", *options, "--", commands.check_container(name)]
    result = host.call(["sh", "-c", SCRIPT, "sh", which, str(PIECE_BYTES), *client], timeout=READ_SECONDS)
    code = result.err.strip().rpartition("\n")[2]
    if code in ("0", PIPE_CLOSED):
        return result.out
    said = f"{result.out}\n{result.err}".lower()
    if "no such container" in said:
        raise NoContainer(name)
    if "cannot connect to the docker daemon" in said:
        raise HostError("The Docker engine does not answer.")
    raise HostError(f"docker logs: {result.out.strip()[-300:]}")


def _without_read_ones(lines: list[str], time: str, count: int) -> list[str]:
    for _ in range(count):
        if not lines or lines[0].partition(" ")[0] != time:
            break
        lines = lines[1:]
    return lines


def _piece(lines: list[str], cursor: str, *, more: bool) -> Piece:
    kept = [line for line in lines if line]
    return Piece(
        lines=tuple(line.encode() for line in kept),
        cursor=_cursor_after(kept, cursor),
        more=more,
        stamped=True,
    )


def _cursor_after(lines: list[str], before: str) -> str:
    """Where the last line stands; lines of the same time add up across pieces."""
    if not lines:
        return before
    times = [line.partition(" ")[0] for line in lines]
    count = next((number for number, time in enumerate(reversed(times)) if time != times[-1]), len(times))
    earlier = CURSOR.fullmatch(before)
    if count == len(times) and earlier and earlier["time"] == times[-1]:
        count += int(earlier["count"])
    cursor = f"{times[-1]}~{count}"
    # What is no time came from a log driver of its own kind; it is read again rather than lost.
    return cursor if CURSOR.fullmatch(cursor) else before
