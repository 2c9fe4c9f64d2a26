"""Counting in a window: no count is lost, whichever store holds them and however many count at once."""

import threading
from typing import Any

import pytest
import redis
import time_machine
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection

from portal.core.counters import count

THREADS, TIMES = 6, 25


@pytest.fixture
def in_the_database(settings: Any, transactional_db: None) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "portal_cache"}
    }
    call_command("createcachetable", verbosity=0)
    cache.clear()


def count_at_once() -> None:
    def work() -> None:
        try:
            for _ in range(TIMES):
                count("together", window_seconds=3600)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert count("together", window_seconds=3600).times == THREADS * TIMES + 1


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_no_count_is_lost_in_the_database(in_the_database: None) -> None:
    count_at_once()


@pytest.mark.django_db(transaction=True)
def test_no_count_is_lost_in_memory() -> None:
    count_at_once()


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_no_count_is_lost_in_redis(redis_running: Any, settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_running.url}
    }
    count_at_once()


@pytest.mark.django_db(transaction=True)
def test_a_count_in_the_database_is_one_statement(
    in_the_database: None, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        count("one", window_seconds=60)


@pytest.mark.parametrize("store", ["memory", "database"])
@pytest.mark.django_db(transaction=True)
def test_a_window_ends_and_says_when(store: str, request: pytest.FixtureRequest) -> None:
    if store == "database":
        request.getfixturevalue("in_the_database")
    with time_machine.travel("2026-11-21T12:00:20Z", tick=False):
        counts = [count("mine", window_seconds=60) for _ in range(3)]
        other = count("other", window_seconds=60)
    assert [found.times for found in counts] == [1, 2, 3]
    assert counts[0].seconds_left == 40
    assert other.times == 1
    with time_machine.travel("2026-11-21T12:01:00Z", tick=False):
        assert count("mine", window_seconds=60).times == 1


def test_a_dead_store_refuses_nobody(monkeypatch: Any) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr("portal.core.counters._add_one_in", gone)
    assert count("mine", window_seconds=60).times == 0
