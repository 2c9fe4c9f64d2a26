"""Counting in windows of time, in the store that all processes share."""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import redis
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.db import connection

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Count:
    """How often it happened in this window, and how many seconds the window still lasts."""

    times: int
    seconds_left: int


def count(name: str, *, window_seconds: int) -> Count:
    """Count one more of `name` and return how many that makes in the window under way."""
    now = time.time()
    window, passed = divmod(now, window_seconds)
    seconds_left = max(1, int(window_seconds - passed + 0.999))
    times = _add_one(f"count:{name}:{int(window)}", seconds_left)
    return Count(times, seconds_left)


def _add_one(key: str, seconds: int) -> int:
    try:
        return _add_one_in(cache, key, seconds)
    except redis.RedisError:
        # Better uncounted for a while than nobody served.
        logger.warning("The cache does not answer; nothing is counted.")
        return 0


def _add_one_in(store: BaseCache, key: str, seconds: int) -> int:
    # `cache` is a proxy; the backend behind it says how it can count.
    backend = getattr(store, "_connections", {"default": store})["default"]
    if isinstance(backend, DatabaseCache):
        return _add_one_in_table(backend._table, backend.make_key(key), seconds)  # type: ignore[attr-defined]
    store.add(key, 0, timeout=seconds)
    try:
        return store.incr(key)
    except ValueError:
        return 1  # It ended between the two calls.


def _add_one_in_table(table: str, key: str, seconds: int) -> int:
    """One atomic statement; the cache's own `incr` reads and then writes, and loses counts.

    The value is a plain number, which the cache itself never reads; it only culls the row.
    """
    ends = datetime.fromtimestamp(int(time.time()) + seconds + 1, tz=UTC)
    name = connection.ops.quote_name(table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {name} (cache_key, value, expires) VALUES (%s, '1', %s) "  # noqa: S608
            f"ON CONFLICT (cache_key) DO UPDATE SET value = CAST(CAST({name}.value AS integer) + 1 AS varchar) "
            "RETURNING value",
            [key, connection.ops.adapt_datetimefield_value(ends)],
        )
        return int(cursor.fetchone()[0])
