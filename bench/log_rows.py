"""The alternative that log_store measures, a row per line, and the same acts on our own store."""

import random
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path

from django.db import connection, models, transaction

from bench.log_writer import make
from deployments import logs
from deployments.models import Deployment, LogChunk
from deployments.pipeline.claims import Claim

OURS = LogChunk._meta.db_table
ROWS = "bench_logrow"


class LogRow(models.Model):
    """What most portals do."""

    deployment = models.IntegerField()
    step = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    at = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=10)
    text = models.TextField()

    class Meta:
        app_label = "bench"
        db_table = ROWS
        constraints = [models.UniqueConstraint(fields=["deployment", "number"], name="bench_one_number")]

    def __str__(self) -> str:
        return self.text


def make_table() -> None:
    with connection.schema_editor() as editor:
        editor.create_model(LogRow)


def new_deployment() -> int:
    key: int = make()["key"]
    return key


def newest() -> int:
    return Deployment.objects.order_by("-pk").values_list("pk", flat=True)[0]


@cache
def lines(count: int) -> list[str]:
    """What building a wheel prints: paths of real files, each with a number that nothing repeats."""
    generator = random.Random(1)
    library = Path(sysconfig.get_path("stdlib"))
    paths = sorted(str(path.relative_to(library)) for path in library.rglob("*.py"))
    return [
        f"#{number // 5000} {number / 97:.3f} adding '{paths[number % len(paths)]}' {generator.randrange(1 << 20)} bytes"
        for number in range(count)
    ]


def raw_bytes(count: int) -> int:
    return sum(len(line) + 1 for line in lines(count))


def write_ours(key: int, count: int, batch: int) -> None:
    claim = Claim(key, 1, "bench")
    texts = lines(count)
    for start in range(0, count, batch):
        with transaction.atomic():
            logs.append(claim, 1, [("info", text) for text in texts[start : start + batch]])


def seal(key: int) -> None:
    logs.seal(Claim(key, 1, "bench"), 1)


def write_rows(count: int, batch: int) -> None:
    texts = lines(count)
    for start in range(0, count, batch):
        with transaction.atomic():
            LogRow.objects.bulk_create(
                LogRow(deployment=1, step=1, number=number, level="info", text=text)
                for number, text in enumerate(texts[start : start + batch], start=start + 1)
            )


def clear_rows() -> None:
    LogRow.objects.all().delete()


def clear_ours() -> None:
    LogChunk.objects.all().delete()


def rows_tail(limit: int) -> list[LogRow]:
    return list(LogRow.objects.filter(deployment=1).order_by("-number")[:limit])


def rows_text() -> int:
    rows = LogRow.objects.filter(deployment=1).order_by("number").values_list("at", "text")
    return sum(len(f"{at:%Y-%m-%d %H:%M:%S} {text}\n") for at, text in rows.iterator())


def bytes_of_ours() -> int:
    return _bytes(OURS, clear_ours)


def bytes_of_rows() -> int:
    return _bytes(ROWS, clear_rows)


def _bytes(table: str, clear: Callable[[], None]) -> int:
    """What a table and its indexes take on disk, without what was deleted; leaves it empty."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"VACUUM FULL {table}")
            cursor.execute("SELECT pg_total_relation_size(%s)", [table])
            return int(cursor.fetchone()[0])
        full = _file_bytes()
        clear()
        return full - _file_bytes()


def _file_bytes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA page_count")
        pages = int(cursor.fetchone()[0])
        cursor.execute("PRAGMA page_size")
        return pages * int(cursor.fetchone()[0])
