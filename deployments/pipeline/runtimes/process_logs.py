"""Reads the log of a container of the process runtime in pieces, by the place in its file.

A cursor names the file, by its number and birth, and the byte in it. The supervisor keeps two files:
`log`, and the older `log.1`, which `log` becomes when it is full.
"""

import base64
import re

from deployments.pipeline import commands
from deployments.pipeline.runtimes.log_pieces import PIECE_BYTES, NoContainer, Piece
from instances.hosts.base import Host, HostError

CURSOR = re.compile(r"(?P<file>\d{1,20}-\d{1,12}):(?P<offset>\d{1,15})")
# Chooses the file of the cursor, or the older one when there is none; an ended older file leads on to
# the newer. Says which file, its size and from where on to the error output; the bytes come as base64,
# since a host returns text.
SCRIPT = """
cd -- "$1" 2>/dev/null || exit 3
file=$2 offset=$3 limit=$4
mark() { stat -c '%i-%W' -- "$1" 2>/dev/null; }
size() { stat -c '%s' -- "$1" 2>/dev/null; }
name=
if [ "$file" = newest ]; then
  name=log offset=0; length=$(size log)
  if [ "${length:-0}" -gt "$limit" ]; then offset=$((length - limit))
  elif [ -e log.1 ]; then
    name=log.1 older=$(size log.1) room=$((limit - ${length:-0}))
    [ "$older" -gt "$room" ] && offset=$((older - room))
  fi
elif [ -n "$file" ] && [ "$(mark log)" = "$file" ] && [ "$(size log)" -ge "$offset" ]; then
  name=log
elif [ -n "$file" ] && [ "$(mark log.1)" = "$file" ]; then
  name=log.1
  [ "$(size log.1)" -le "$offset" ] && name=log offset=0
else
  offset=0
  if [ -z "$file" ] && [ -e log.1 ]; then name=log.1; else name=log; fi
fi
[ -e "$name" ] || exit 4
echo "$name $(mark "$name") $(size "$name") $offset" >&2
tail -c "+$((offset + 1))" -- "$name" | head -c "$limit" | base64
"""
NO_FOLDER, NOTHING_YET = 3, 4
READ_SECONDS = 8.0


def read_newest(host: Host, name: str, *, lines: int) -> Piece:
    """The last lines."""
    piece = _read(host, name, "newest", 0)
    found = piece.lines
    if piece.more:
        # It began in the older file.
        piece = read_on(host, name, piece.cursor)
        found += piece.lines
    return Piece(found[-lines:], piece.cursor, piece.more)


def read_on(host: Host, name: str, cursor: str) -> Piece:
    """What was written after a cursor, the oldest first; from the beginning when the cursor is no cursor."""
    found = CURSOR.fullmatch(cursor)
    return _read(host, name, found["file"], int(found["offset"])) if found else _read(host, name, "", 0)


def _read(host: Host, name: str, file: str, offset: int) -> Piece:
    folder = f"{host.root}/containers/{commands.check_container(name)}"
    argv = ["sh", "-c", SCRIPT, "sh", folder, file, str(offset), str(PIECE_BYTES)]
    result = host.call(argv, timeout=READ_SECONDS)
    if result.code == NO_FOLDER:
        raise NoContainer(name)
    if result.code == NOTHING_YET:
        return Piece((), "")
    if not result.ok:
        raise HostError(f"The log of {name} cannot be read: {result.err.strip()[-300:]}")
    which, mark, size, start = result.err.split()
    raw = base64.b64decode(result.out)
    # A file that is no longer written to ends with its last byte, whether or not that is a line end.
    taken = _whole(raw, final=which == "log.1" and int(start) + len(raw) >= int(size))
    end = int(start) + len(taken)
    lines = taken.removesuffix(b"\n").split(b"\n") if taken else []
    if file == "newest" and int(start) > 0:
        # It begins in the middle of a line.
        lines = lines[1:]
    more = which == "log.1" or len(raw) >= PIECE_BYTES
    return Piece(tuple(lines), f"{mark}:{end}", more)


def _whole(raw: bytes, *, final: bool) -> bytes:
    """The whole lines; a piece that is all one line is taken as it is, or it would be read for ever."""
    if final or len(raw) >= PIECE_BYTES and b"\n" not in raw:
        return raw
    return raw[: raw.rfind(b"\n") + 1]
