"""Lists of the API: first and deep pages of few and of many deployments, by key and by limit-offset.

python -m bench.api
"""

import json
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.harness import Portal, has_postgres, postgres_server

FEW, MANY, HUGE = 1_000, 100_000, 1_000_000
REQUESTS, ROUNDS, FEW_REQUESTS = 60, 6, 5
FILL_SECONDS = 600


def ask(portal: Portal, what: str, count: int = REQUESTS) -> list[float]:
    took: list[float] = json.loads(portal.run("-m", "bench.api_tasks", "ask", what, str(count), timeout=900))
    return took


def p95(rounds: list[list[float]]) -> float:
    """Of the quietest round: other programs on the machine only ever add."""
    return min(statistics.quantiles(took, n=20)[-1] for took in rounds)


def line(name: str, rows: int, *rounds: list[float]) -> None:
    middle = min(statistics.median(took) for took in rounds)
    print(f"  {name:36}{rows:>10,}{middle:10.1f}{p95(list(rounds)):10.1f}", flush=True)


@contextmanager
def filled(url: str, rows: int) -> Iterator[Portal]:
    """A portal with so many deployments."""
    with Portal(database_url=url) as portal:
        portal.env["DJANGO_SETTINGS_MODULE"] = "bench.api_settings"
        portal.env["LOG_LEVEL"] = "ERROR"
        portal.run("manage.py", "createcachetable")
        portal.run("-m", "bench.api_tasks", "fill", str(rows), timeout=FILL_SECONDS)
        yield portal


def compare(database: str, few: Portal, many: Portal) -> None:
    """W1: the same pages of a short and of a long list, in turns."""
    first: dict[int, list[list[float]]] = {FEW: [], MANY: []}
    deep: list[list[float]] = []
    for _ in range(ROUNDS):
        first[FEW].append(ask(few, "keyset-first"))
        first[MANY].append(ask(many, "keyset-first"))
        deep.append(ask(many, "keyset-deep"))
    line(f"{database}, by key, first page", FEW, *first[FEW])
    line(f"{database}, by key, first page", MANY, *first[MANY])
    line(f"{database}, by key, deep page", MANY, *deep)
    ratio = p95(first[MANY]) / p95(first[FEW])
    print(f"  W1 {database}: p95 at {MANY:,} rows is {ratio:.2f}x the p95 at {FEW:,} (goal 1.3x)")


def against_offset(database: str, portal: Portal, rows: int) -> None:
    """W3: a deep page by key and by limit-offset."""
    deep, offset = ask(portal, "keyset-deep"), ask(portal, "offset-deep", FEW_REQUESTS)
    line(f"{database}, by key, deep page", rows, deep)
    line(f"{database}, limit-offset, first page", rows, ask(portal, "offset-first", FEW_REQUESTS))
    line(f"{database}, limit-offset, deep page", rows, offset)
    line(f"{database}, stats", rows, ask(portal, "stats", FEW_REQUESTS))
    part = statistics.median(offset) / statistics.median(deep)
    print(
        f"  W3 {database}: a deep page takes 1/{part:.0f} of limit-offset's time at {rows:,} rows (goal 1/20)"
    )


def measure(database: str, urls: tuple[str, str], most: int) -> None:
    with filled(urls[0], FEW) as few, filled(urls[1], MANY) as many:
        compare(database, few, many)
        if most > MANY:
            many.run("-m", "bench.api_tasks", "fill", str(most), timeout=FILL_SECONDS)
        against_offset(database, many, most)


def main() -> None:
    """Measure and print, with each goal beside its figure."""
    print(f"  {'list of deployments, 50 rows':36}{'rows':>10}{'p50 ms':>10}{'p95 ms':>10}")
    measure("SQLite", ("", ""), MANY)
    if has_postgres():
        with ExitStack() as servers:
            urls = [servers.enter_context(postgres_server()) for _ in range(2)]
            measure("PostgreSQL", (urls[0], urls[1]), HUGE)


if __name__ == "__main__":
    main()
