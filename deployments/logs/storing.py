"""Writes lines: numbered in the fenced UPDATE, one chunk row per flush, joined and limited as they grow."""

from collections.abc import Sequence

from django.conf import settings
from django.db import connection, transaction
from django.db.models import BinaryField, F
from django.db.models.functions import Substr

from deployments.logs import chunks, statements
from deployments.logs.chunks import Chunk
from deployments.logs.cleaning import SPECIAL, clean
from deployments.logs.lines import INFO, cut, level_of
from deployments.models import LogChunk
from deployments.pipeline.claims import Claim

# A step that writes a lot is sealed as it goes, so that its end does not hold up the database.
SEAL_EVERY_BYTES = 1024 * 1024
# The beginning of a log keeps this share of the limit; a full log drops this share behind it at once.
HEAD_SHARE = 1 / 4
DROP_SHARE = 1 / 16


def append(claim: Claim, step: int, lines: Sequence[tuple[str, str]]) -> None:
    """Add (level, text) pairs to the log, inside the caller's transaction and under the fence."""
    assert connection.in_atomic_block
    if not lines:
        return
    packed = chunks.pack(_tidy(lines))
    last, size, at = statements.count_lines(claim, len(lines), len(packed))
    body = chunks.body_of(packed, count=len(lines), at=at)
    statements.insert_chunk(claim, step=step, first=last - len(lines) + 1, count=len(lines), body=body)
    if size // SEAL_EVERY_BYTES != (size - len(packed)) // SEAL_EVERY_BYTES:
        seal(claim, step)
    if size > settings.LOG_LIMIT_BYTES:
        _drop_middle(claim, size, at)


def seal(claim: Claim, step: int) -> None:
    """Replace the small chunks of a step by compressed ones."""
    with transaction.atomic():
        # Changes nothing, but holds the row: whoever claims the deployment now waits until we are done.
        claim.update(log_count=F("log_count"))
        small = LogChunk.objects.filter(deployment=claim.deployment_id, step=step, sealed=False)
        rows = [_chunk(row) for row in small.order_by("first")]
        if not rows:
            return
        small.delete()
        LogChunk.objects.bulk_create(
            LogChunk(
                deployment_id=claim.deployment_id,
                step=step,
                first=chunk.first,
                count=chunk.count,
                sealed=True,
                body=chunk.body,
            )
            for chunk in chunks.merged(rows)
        )


def _tidy(lines: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Whatever the caller gives, a stored line is one clean line of limited length, with its level."""
    # Output of jobs comes clean already: one look at all of it is enough.
    texts = [text for _, text in lines]
    together = "\n".join(texts)
    if SPECIAL.search(together) or together.count("\n") >= len(texts):
        texts = [clean(text.replace("\n", " ")) for text in texts]
    return [
        (level_of(text) if level == INFO else level, cut(text))
        for (level, _), text in zip(lines, texts, strict=True)
    ]


def _chunk(row: LogChunk) -> Chunk:
    return Chunk(row.step, row.first, row.count, bytes(row.body))


def _drop_middle(claim: Claim, size: int, at: int) -> None:
    """Drop the oldest lines behind the head, and leave one row that says how many there were."""
    limit = settings.LOG_LIMIT_BYTES
    rows = _heads(claim.deployment_id)
    dropped = _choose(rows, head=int(limit * HEAD_SHARE), wanted=size - limit + int(limit * DROP_SHARE))
    freed = sum(chunks.size_of(chunk.body) for chunk in dropped if not chunk.is_gap)
    if not freed:
        return
    first, last = dropped[0], dropped[-1]
    mine = LogChunk.objects.filter(deployment=claim.deployment_id)
    mine.filter(first__gte=first.first, first__lte=last.first).delete()
    mine.create(
        deployment_id=claim.deployment_id,
        step=last.step,
        first=first.first,
        count=last.last - first.first + 1,
        sealed=True,
        body=chunks.gap(sum(chunks.size_of(chunk.body) for chunk in dropped), at),
    )
    claim.update(log_bytes=F("log_bytes") - freed)


def _heads(deployment_id: int) -> list[Chunk]:
    """All chunks with only the first bytes of their bodies."""
    head = Substr("body", 1, chunks.HEAD.size, output_field=BinaryField())
    rows = LogChunk.objects.filter(deployment=deployment_id).order_by("first")
    values = rows.values_list("step", "first", "count", head)
    return [Chunk(step, first, count, bytes(body)) for step, first, count, body in values]


def _choose(rows: list[Chunk], *, head: int, wanted: int) -> list[Chunk]:
    """The neighbours to drop: the old gap, if there is one, and what follows; never the newest chunk."""
    start = next((place for place, chunk in enumerate(rows) if chunk.is_gap), None)
    if start is None:
        start = _end_of_head(rows, head)
    dropped: list[Chunk] = []
    freed = 0
    for chunk in rows[start:-1]:
        if freed >= wanted:
            break
        dropped.append(chunk)
        freed += 0 if chunk.is_gap else chunks.size_of(chunk.body)
    return dropped


def _end_of_head(rows: list[Chunk], head: int) -> int:
    total = 0
    for place, chunk in enumerate(rows):
        total += chunks.size_of(chunk.body)
        if total > head:
            return max(1, place)
    return len(rows)
