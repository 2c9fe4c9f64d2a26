"""Reads lines by their numbers, with a constant number of queries however long the log is."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from django.db.models import QuerySet, Subquery
from django.db.models.functions import Coalesce

from deployments.logs import ansi, chunks
from deployments.logs.chunks import Chunk
from deployments.logs.lines import COMMAND, ERROR, WARNING, Line
from deployments.models import Deployment, LogChunk, Step

# What is shown for a wanted level, as the first letters of levels in a chunk.
LETTERS_OF = {COMMAND: "c", WARNING: "we", ERROR: "e"}


@dataclass(frozen=True)
class Run:
    """Lines of one step without another step's in between; `last` is included."""

    step: int
    first: int
    last: int


def read(
    deployment: Deployment | int,
    *,
    after: int = 0,
    limit: int = 500,
    step: int | None = None,
    level: str = "",
) -> list[Line]:
    """The first `limit` lines after this number, oldest first; level "warning" includes errors.

    Fewer lines than asked for do not mean the end where lines were dropped: one line stands for them.
    """
    rows = _rows(deployment, after=after, step=step)
    if level in LETTERS_OF:
        return list(islice(_of_level(rows, after, LETTERS_OF[level]), limit))
    # Numbers have no gaps, so it is known where a page ends; but a step's lines may begin anywhere.
    upto = after + limit if step is None else _upto(rows, after, limit)
    return _lines(_rows(deployment, after=after, step=step, upto=upto), after)[:limit]


def tail(deployment: Deployment | int, *, limit: int = 500) -> list[Line]:
    """The last lines, oldest first."""
    newest = _rows(deployment).order_by("-first").values_list("first", "count").first()
    if newest is None:
        return []
    # Numbers have no gaps, so the last so many are known without counting.
    return _lines(_rows(deployment, after=sum(newest) - 1 - limit), sum(newest) - 1 - limit)[-limit:]


def first_error(deployment: Deployment | int, *, step: int | None = None) -> Line | None:
    """The first line of level error."""
    return next(iter(read(deployment, step=step, level=ERROR, limit=1)), None)


def search(deployment: Deployment | int, text: str, *, limit: int = 1000) -> list[int]:
    """The numbers of lines that contain this text, whatever its case; colours do not matter."""
    wanted = text.casefold()
    found: list[int] = []
    if not wanted:
        return found
    for chunk in _stream(_rows(deployment)):
        packed = chunks.raw_text(chunk)
        # Most chunks can be passed over whole; escapes may stand in the middle of a word.
        if "\x1b" not in packed and wanted not in packed.casefold():
            continue
        found += [line.number for line in chunks.unpack(chunk) if wanted in ansi.strip(line.text).casefold()]
        if len(found) >= limit:
            break
    return found[:limit]


def text_lines(deployment: Deployment | int) -> Iterator[str]:
    """The whole log as plain text in pieces, each line with its time, each step under its title."""
    titles = _titles(deployment)
    step = None
    for chunk in _stream(_rows(deployment)):
        if chunk.step != step:
            step = chunk.step
            yield f"{'' if chunk.first == 1 else chr(10)}=== {titles.get(step, f'Step {step}')} ===\n"
        for at, texts in chunks.plain(chunk):
            moment = f"{at:%Y-%m-%d %H:%M:%S} "
            yield "".join([f"{moment}{ansi.strip(text)}\n" for text in texts])


def outline(deployment: Deployment | int) -> list[Run]:
    """Which numbers belong to which step, in order; reads no text."""
    runs: list[Run] = []
    for step, first, count in _rows(deployment).order_by("first").values_list("step", "first", "count"):
        if runs and runs[-1].step == step:
            runs[-1] = Run(step, runs[-1].first, first + count - 1)
        else:
            runs.append(Run(step, first, first + count - 1))
    return runs


def _rows(
    deployment: Deployment | int, *, after: int = 0, upto: int | None = None, step: int | None = None
) -> QuerySet[LogChunk]:
    """The chunks that hold lines in after < number <= upto, found by the index."""
    key = deployment if isinstance(deployment, int) else deployment.pk
    rows = LogChunk.objects.filter(deployment=key)
    if after > 0:
        # Also when small chunks are sealed between two of our statements, each finds where its line is.
        holder = rows.filter(first__lte=after + 1).order_by("-first").values("first")[:1]
        rows = rows.filter(first__gte=Coalesce(Subquery(holder), 0))
    if upto is not None:
        rows = rows.filter(first__lte=upto)
    return (rows if step is None else rows.filter(step=step)).order_by("first")


def _upto(rows: QuerySet[LogChunk], after: int, limit: int) -> int:
    """The number at which so many lines have been passed; looks at the chunks' counts only."""
    found, last = 0, after
    for first, count in rows.values_list("first", "count")[: limit + 1]:
        last = first + count - 1
        found += last - max(first, after + 1) + 1
        if found >= limit:
            break
    return last


def _lines(rows: QuerySet[LogChunk], after: int) -> list[Line]:
    return [line for row in rows for line in chunks.unpack(_chunk(row), after)]


def _of_level(rows: QuerySet[LogChunk], after: int, letters: str) -> Iterator[Line]:
    names = {chunks.NAMES[letter] for letter in letters}
    for chunk in _stream(rows):
        packed = chunks.raw_text(chunk)
        if any(f"\n{letter}" in packed for letter in letters):
            yield from (line for line in chunks.unpack(chunk, after) if line.level in names)


def _stream(rows: QuerySet[LogChunk]) -> Iterator[Chunk]:
    """One statement, a few bodies in memory at a time."""
    return map(_chunk, rows.iterator(chunk_size=16))


def _chunk(row: LogChunk) -> Chunk:
    return Chunk(row.step, row.first, row.count, bytes(row.body))


def _titles(deployment: Deployment | int) -> dict[int, str]:
    return dict(Step.objects.filter(deployment=deployment).values_list("number", "title"))
