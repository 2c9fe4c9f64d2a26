"""How lines are kept in a chunk's body: packed text, compressed once its step has ended.

kind (1 byte)  t: text, z: the same compressed, x: lines that were dropped, without any text
size (8 bytes) bytes that its lines take before compression
text           "<count>:<milliseconds>,…" for runs of lines of one moment, then the lines, each with
               the first letter of its level in front, all separated by newlines
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deployments.logs.lines import COMMAND, ERROR, INFO, LEVELS, WARNING, Line

HEAD = struct.Struct(">cQ")
TEXT, COMPRESSED, DROPPED = b"t", b"z", b"x"
LETTERS = {level: level[0] for level in LEVELS}
NAMES = {"i": INFO, "c": COMMAND, "w": WARNING, "e": ERROR}
# A sealed chunk holds about this much text: small enough to open fast, large enough to compress well.
SEALED_BYTES = 64 * 1024
# A large flush is sent to the database compressed; PostgreSQL would do it by itself, but slower.
COMPRESSED_FROM = 16 * 1024
# Level 1 is three times as fast as the default for a tenth more space.
COMPRESSION = 1


@dataclass(frozen=True)
class Chunk:
    """Consecutive lines of one step, as stored."""

    step: int
    first: int
    count: int
    body: bytes

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    @property
    def is_gap(self) -> bool:
        return self.body[:1] == DROPPED


def pack(lines: Sequence[tuple[str, str]]) -> bytes:
    """The lines of (level, text) pairs as bytes, still without their time."""
    return "".join([f"\n{LETTERS[level]}{text}" for level, text in lines]).encode(errors="replace")


def body_of(packed: bytes, *, count: int, at: int) -> bytes:
    """The body for packed lines that were written at one moment, in milliseconds since 1970."""
    text = f"{count}:{at}".encode() + packed
    if len(packed) < COMPRESSED_FROM:
        return HEAD.pack(TEXT, len(packed)) + text
    return HEAD.pack(COMPRESSED, len(packed)) + zlib.compress(text, COMPRESSION)


def gap(size: int, at: int) -> bytes:
    """The body that stands for so many bytes of lines, dropped at this moment."""
    return HEAD.pack(DROPPED, size) + str(at).encode()


def size_of(head: bytes) -> int:
    """How many bytes of text a body holds, told from its first bytes."""
    size: int = HEAD.unpack_from(head)[1]
    return size


def merged(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Join small chunks into compressed ones; only neighbours in number can be joined."""
    waiting: list[Chunk] = []
    size = 0
    for chunk in chunks:
        if waiting and (waiting[-1].last + 1 != chunk.first or size >= SEALED_BYTES):
            yield _join(waiting)
            waiting, size = [], 0
        waiting.append(chunk)
        size += size_of(chunk.body)
    if waiting:
        yield _join(waiting)


def unpack(chunk: Chunk, after: int = 0) -> list[Line]:
    """The lines of a chunk behind a number; for dropped lines the one that says so, with their last number."""
    if chunk.is_gap:
        return [_gap_line(chunk)] if chunk.last > after else []
    times, lines = _texts(chunk.body)
    numbered = []
    skip = max(0, after + 1 - chunk.first)
    end = 0
    for count, at in times:
        begin, end = end, end + count
        numbered += [
            Line(chunk.first + place, chunk.step, at, NAMES[lines[place][0]], lines[place][1:])
            for place in range(max(begin, skip), end)
        ]
    return numbered


def plain(chunk: Chunk) -> Iterator[tuple[datetime, list[str]]]:
    """Only the texts, in runs of one moment, for reading a whole log fast."""
    if chunk.is_gap:
        line = _gap_line(chunk)
        yield line.at, [line.text]
        return
    times, lines = _texts(chunk.body)
    end = 0
    for count, at in times:
        begin, end = end, end + count
        yield at, [line[1:] for line in lines[begin:end]]


def raw_text(chunk: Chunk) -> str:
    """The packed lines as one text, for looking through it at once; each line follows a newline and a letter."""
    if chunk.is_gap:
        return f"\n{LETTERS[WARNING]}{_gap_line(chunk).text}"
    packed = _open(chunk.body)
    return packed[packed.index("\n") :]


def _open(body: bytes) -> str:
    content = body[HEAD.size :]
    return (zlib.decompress(content) if body[:1] == COMPRESSED else content).decode()


def _texts(body: bytes) -> tuple[list[tuple[int, datetime]], list[str]]:
    runs, *lines = _open(body).split("\n")
    times = []
    for run in runs.split(","):
        count, milliseconds = run.split(":")
        times.append((int(count), _moment(milliseconds)))
    return times, lines


def _join(chunks: list[Chunk]) -> Chunk:
    runs, texts = [], []
    for chunk in chunks:
        head, _, text = _open(chunk.body).partition("\n")
        runs.append(head)
        texts.append(text)
    packed = f"{','.join(runs)}\n{chr(10).join(texts)}".encode()
    size = sum(size_of(chunk.body) for chunk in chunks)
    body = HEAD.pack(COMPRESSED, size) + zlib.compress(packed, COMPRESSION)
    return Chunk(chunks[0].step, chunks[0].first, sum(chunk.count for chunk in chunks), body)


def _gap_line(chunk: Chunk) -> Line:
    size = size_of(chunk.body) / (1024 * 1024)
    text = (
        f"… {chunk.count:,} lines ({size:,.1f} MB) were left out here: the log reached its limit. "
        f"Its beginning and its end are kept. …"
    )
    return Line(chunk.last, chunk.step, _moment(chunk.body[HEAD.size :]), WARNING, text)


def _moment(milliseconds: str | bytes) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
