"""The doorbell between processes."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import transaction

from portal.core import bell


@pytest.fixture(autouse=True)
def own_folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.REDIS_URL = ""


def test_a_listener_hears_a_ring_of_its_topic_only():
    with bell.Listener("queue") as queue, bell.Listener("log") as log:
        bell.ring("queue", "7")

        assert queue.wait(1)
        assert not log.wait(0)


def test_a_ring_before_the_wait_is_not_lost_and_counts_once():
    with bell.Listener("queue") as listener:
        bell.ring("queue")
        bell.ring("queue")

        assert listener.wait(1)
        assert not listener.wait(0)


def test_a_ring_from_another_process_is_heard(settings):
    code = (
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE']='portal.settings'; django.setup();"
        "from portal.core import bell; bell.ring('queue', 'x')"
    )
    with bell.Listener("queue") as listener:
        process = subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, "PORTAL_DATA_DIR": str(settings.DATA_DIR)}
        )
        assert listener.wait(20)
        assert process.wait(20) == 0


def test_ringing_without_listeners_or_with_dead_ones_is_harmless(settings):
    listener = bell.Listener("queue")
    listener._socket.close()
    assert listener._path.exists()

    bell.ring("queue")

    assert not listener._path.exists()


def test_a_listener_that_never_looks_blocks_nobody():
    with bell.Listener("queue") as listener:
        for _ in range(3000):
            bell.ring("queue", "x" * 500)
        assert listener.wait(1)


def test_a_closed_listener_leaves_no_file(settings):
    bell.Listener("queue").close()
    assert list((Path(settings.DATA_DIR) / "run").iterdir()) == []


def test_a_very_long_folder_name_is_no_hindrance(settings, tmp_path):
    settings.DATA_DIR = tmp_path / ("d" * 100) / ("e" * 100)
    with bell.Listener("queue") as listener:
        bell.ring("queue")
        assert listener.wait(1)


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_it_rings_on_commit():
    with bell.Listener("queue") as listener:
        with transaction.atomic():
            bell.ring("queue")
            assert not listener.wait(0.05)
        assert listener.wait(1)


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_is_rolled_back_never_rings():
    with bell.Listener("queue") as listener:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            bell.ring("queue")
            1 / 0  # noqa: B018
        assert not listener.wait(0.05)


async def test_the_asynchronous_listener_gets_each_payload_once():
    async with bell.AsyncListener("log") as listener:
        for payload in ("1", "2", "1"):
            await asyncio.to_thread(bell.ring, "log", payload)
        await asyncio.sleep(0.05)

        assert await listener.wait(1) == ["1", "2"]
        assert await listener.wait(0.01) == []


def test_a_dead_redis_costs_one_timeout_and_then_nothing(settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(bell, "_publisher", bell._Publisher())
    began = time.monotonic()

    for _ in range(200):
        bell.ring("queue")

    assert time.monotonic() - began < 2


@pytest.mark.redis
def test_over_redis_a_ring_reaches_other_machines_and_survives_a_restart(
    settings, tmp_path, monkeypatch, redis_running
):
    settings.REDIS_URL = redis_running.url
    monkeypatch.setattr(bell, "_publisher", bell._Publisher())
    monkeypatch.setattr(bell, "REDIS_REST_SECONDS", 0.1)
    with bell.Listener("log") as there:
        settings.DATA_DIR = tmp_path / "another machine"
        # The first ring says that the connection stands.
        assert there.wait(5)

        bell.ring("log", "7")
        assert there.wait(5)

        redis_running.stop()
        bell.ring("log", "lost")
        redis_running.start()
        assert there.wait(10)
        assert rung_until_heard(there)


def rung_until_heard(listener: bell.Listener) -> bool:
    for _ in range(50):
        bell.ring("log", "8")
        if listener.wait(0.1):
            return True
    return False


@pytest.mark.redis
def test_with_redis_a_ring_of_this_machine_is_heard_once(settings, monkeypatch, redis_running):
    settings.REDIS_URL = redis_running.url
    monkeypatch.setattr(bell, "_publisher", bell._Publisher())
    with bell.Listener("log") as listener:
        assert listener.wait(5)

        bell.ring("log", "7")

        assert listener.wait(5)
        assert not listener.wait(0.3)
