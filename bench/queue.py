"""The queue: how soon a task begins, how long twelve in a row take, how many per second, and waiting.

python -m bench.queue
"""

import json
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from bench.harness import Portal, has_postgres, has_redis, postgres_server, redis_server, stop

LATENCIES = 50
CHAINS = 8
MESSAGES = 600
ROUNDS = 3


@dataclass
class Figures:
    """What was measured of one queue, in milliseconds."""

    latency: float
    chain: float


@contextmanager
def queue_of(kind: str, database_url: str, redis_url: str) -> Iterator[Portal]:
    """A portal with this queue, without a worker yet."""
    with Portal(database_url=database_url) as portal:
        portal.env["DJANGO_SETTINGS_MODULE"] = "bench.queue_settings"
        portal.env["BENCH_QUEUE"] = kind
        portal.env["BENCH_REDIS"] = redis_url
        portal.env["LOG_LEVEL"] = "ERROR"
        portal.run("manage.py", "createcachetable")
        yield portal


@contextmanager
def worker_of(portal: Portal) -> Iterator[None]:
    """The worker as it is shipped; for the others the one that django-q2 brings."""
    command = "worker" if portal.env["BENCH_QUEUE"] == "ours" else "qcluster"
    process = portal.start("manage.py", command)
    try:
        ask(portal, "latency", 1)
        yield
    finally:
        stop(process, signal.SIGTERM)


def ask(portal: Portal, what: str, count: int) -> Any:
    return json.loads(portal.run("-m", "bench.queue_tasks", what, str(count)))


def measure(kind: str, database_url: str, redis_url: str) -> Figures:
    """How soon a task begins, and how long twelve in a row take."""
    with queue_of(kind, database_url, redis_url) as portal, worker_of(portal):
        (portal.folder / "results").unlink(missing_ok=True)
        latency = ask(portal, "latency", LATENCIES)["p50"]
        return Figures(latency, ask(portal, "chains", CHAINS)["p50"])


def measure_rate(kind: str, database_url: str) -> float:
    """Tasks per second when many wait already."""
    with queue_of(kind, database_url, "") as portal:
        ask(portal, "fill", MESSAGES)
        process = portal.start("manage.py", "worker" if kind == "ours" else "qcluster")
        try:
            rate: float = ask(portal, "rate", MESSAGES)["per_second"]
            return rate
        finally:
            stop(process, signal.SIGTERM)


def floor(database_url: str) -> float:
    """The least that PostgreSQL allows: insert and NOTIFY, wake up, take with SKIP LOCKED; milliseconds."""
    took: dict[int, float] = {}
    ready = threading.Event()
    with psycopg.connect(database_url, autocommit=True) as sender:
        sender.execute("CREATE TABLE floor (id serial PRIMARY KEY, payload text, taken bool DEFAULT false)")
        taker = threading.Thread(target=_take, args=(database_url, took, ready))
        taker.start()
        ready.wait(timeout=10)
        sent = []
        for _ in range(LATENCIES):
            time.sleep(0.05)
            sent.append(time.time())
            sender.execute(
                "WITH row AS (INSERT INTO floor (payload) VALUES ('x')) SELECT pg_notify('floor', '')"
            )
        taker.join(timeout=30)
    return statistics.median((took[number + 1] - moment) * 1000 for number, moment in enumerate(sent))


def _take(database_url: str, took: dict[int, float], ready: threading.Event) -> None:
    take = (
        "UPDATE floor SET taken = true WHERE id = "
        "(SELECT id FROM floor WHERE NOT taken ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("LISTEN floor")
        ready.set()
        while len(took) < LATENCIES:
            for _ in connection.notifies(timeout=10, stop_after=1):
                pass
            while row := connection.execute(take).fetchone():
                took[row[0]] = time.time()


def main() -> None:
    """Measure and print, with each goal beside its figure."""
    with ExitStack() as servers:
        databases = {"SQLite": ""}
        if has_postgres():
            databases["PostgreSQL"] = servers.enter_context(postgres_server())
        redis_url = servers.enter_context(redis_server()) if has_redis() else ""
        for database, url in databases.items():
            _compare(database, url, redis_url)


def _compare(database: str, url: str, redis_url: str) -> None:
    stock, ours = measure("stock", url, redis_url), measure("ours", url, redis_url)
    _report(f"stock ORM broker, {database}", stock)
    _report(f"ours, {database}", ours)
    print(
        f"  Q1 {database}: a task starts in 1/{stock.latency / ours.latency:.0f} of stock's time (goal 1/12)"
    )
    print(f"  Q2 {database}: twelve steps take 1/{stock.chain / ours.chain:.0f} of stock's (goal 1/12)")
    if url:
        least = floor(url)
        print(f"  Q1 {database}: {ours.latency / least:.1f}x the floor of {least:.1f} ms (goal 4x)")
    if url and redis_url:
        redis = measure("redis", url, redis_url)
        _report("stock Redis broker", redis)
        print(f"  Q2: {ours.chain / redis.chain:.2f}x the stock Redis broker's chain (goal 1x)")
    _compare_rates(database, url)


def _compare_rates(database: str, url: str) -> None:
    """In turns, so that what else the machine does meets both."""
    rates = [(measure_rate("stock", url), measure_rate("ours", url)) for _ in range(ROUNDS)]
    stock, ours = (statistics.median(each) for each in zip(*rates, strict=True))
    print(f"  stock ORM broker, {database:22}{stock:8.0f} tasks/s")
    print(f"  ours, {database:34}{ours:8.0f} tasks/s")
    ratio = statistics.median(ours / stock for stock, ours in rates)
    print(f"  Q3 {database}: {ratio:.1f}x stock's tasks per second (goal 5x)", flush=True)


def _report(name: str, figures: Figures) -> None:
    print(f"  {name:38}{figures.latency:8.1f} ms to start{figures.chain:8.0f} ms for 12 steps", flush=True)


if __name__ == "__main__":
    main()
