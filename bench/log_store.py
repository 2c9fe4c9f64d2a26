"""Storing logs: our chunks against a row per line with bulk_create, in one run (PERFORMANCE S1–S3).

python -m bench.log_store [LINES]
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import harness

LINES = 100_000
SHORT = 1000
ROUND = 20_000
READS = 7


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["here"]:
        measure(int(arguments[1]))
        return
    lines = arguments[0] if arguments else str(LINES)
    with harness.Portal() as portal:
        print(portal.run("-m", "bench.log_store", "here", lines, timeout=600))
    if not harness.has_postgres():
        print("PostgreSQL: not installed here")
        return
    with harness.postgres_server() as url, harness.Portal(database_url=url) as portal:
        print(portal.run("-m", "bench.log_store", "here", lines, timeout=600))


def measure(count: int) -> None:
    """In a process whose database is the one to measure."""
    import django

    django.setup()
    from django.db import connection

    from bench import log_rows

    log_rows.make_table()
    sqlite = connection.vendor == "sqlite"
    print(f"--- {connection.vendor}, {count:,} lines of {log_rows.raw_bytes(count) / count:.0f} bytes")
    for batch, goal in ((500, 5.0), (50, 5.0 if sqlite else 1.2)):
        ours, rows = insert_rates(count, batch)
        report(f"S2 insert, {batch} lines a flush", f"{ours:,.0f} lines/s", f"{rows:,.0f}", ours / rows, goal)
    fill(count)
    measure_reads(count)
    measure_size(count)


def insert_rates(count: int, batch: int) -> tuple[float, float]:
    """Lines a second: ours and the row per line, in turns, the best of three."""
    from bench import log_rows

    ours, rows = [], []
    count = min(count, ROUND)
    for _ in range(3):
        key = log_rows.new_deployment()
        ours.append(count / seconds(lambda key=key: log_rows.write_ours(key, count, batch)))  # type: ignore[misc]
        log_rows.clear_rows()
        rows.append(count / seconds(lambda: log_rows.write_rows(count, batch)))
    return max(ours), max(rows)


def fill(count: int) -> None:
    """The same lines in both ways, ours sealed as after the end of a step."""
    from bench import log_rows

    log_rows.clear_rows()
    log_rows.clear_ours()
    key = log_rows.new_deployment()
    log_rows.write_ours(key, count, 50)
    log_rows.write_rows(count, 50)
    print(f"   sealing what the end of the step leaves: {seconds(lambda: log_rows.seal(key)) * 1000:.0f} ms")


def measure_reads(count: int) -> None:
    from bench import log_rows
    from deployments import logs

    long, short = log_rows.newest(), log_rows.new_deployment()
    log_rows.write_ours(short, SHORT, 50)
    log_rows.seal(short)
    page, database = timed(lambda: logs.tail(long, limit=500))
    short_page, _ = timed(lambda: logs.tail(short, limit=500))
    rows_page, _ = timed(lambda: log_rows.rows_tail(500))
    text, _ = timed(lambda: sum(map(len, logs.text_lines(long))))
    rows_text, _ = timed(log_rows.rows_text)
    report("S3 last 500 of all, database time", f"{database * 1000:.2f} ms", "5 ms", 0.005 / database, 1.0)
    report(
        "S3 last 500 of all / of 1,000",
        f"{page * 1000:.2f} ms",
        f"{short_page * 1000:.2f} ms",
        page / short_page,
        1.5,
        less=True,
    )
    print(f"   (row per line: last 500 in {rows_page * 1000:.2f} ms)")
    report(
        "S3 whole text",
        f"{text * 1000:.0f} ms",
        f"{rows_text * 1000:.0f} ms",
        text / rows_text,
        0.65,
        less=True,
    )


def measure_size(count: int) -> None:
    from bench import log_rows

    raw, ours, rows = log_rows.raw_bytes(count), log_rows.bytes_of_ours(), log_rows.bytes_of_rows()
    report(
        "S1 size after sealing / raw text",
        f"{ours / raw:.2f}",
        f"{rows / raw:.2f}",
        ours / raw,
        0.40,
        less=True,
    )
    report("S1 row per line / ours", f"{ours:,} bytes", f"{rows:,}", rows / ours, 3.5)


def report(name: str, ours: str, other: str, ratio: float, goal: float, *, less: bool = False) -> None:
    """One line: the figure, the alternative, the ratio, the goal, and whether it is reached."""
    reached = ratio <= goal if less else ratio >= goal
    sign = "≤" if less else "≥"
    print(
        f"{name:36} {ours:>18}  against {other:>14}   {ratio:8.2f} x  (goal {sign} {goal:g} x) {'ok' if reached else 'MISSED'}"
    )


def seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """The median time of a call, and of its statements."""
    from django.db import connection

    totals, statements = [], []
    for _ in range(READS):
        spent = [0.0]

        def count(execute: Any, *arguments: Any, spent: list[float] = spent) -> Any:
            began = time.perf_counter()
            try:
                return execute(*arguments)
            finally:
                spent[0] += time.perf_counter() - began

        with connection.execute_wrapper(count):
            totals.append(seconds(call))
        statements.append(spent[0])
    return statistics.median(totals), statistics.median(statements)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.settings")
    main(sys.argv[1:])
