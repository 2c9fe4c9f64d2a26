"""The queue: who gets which message, when, and how soon. On SQLite and on PostgreSQL."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from portal import broker as broker_module
from portal.broker import AHEAD, WakeUpBroker
from portal.core import heartbeat, pulse
from portal.core.clock import now_plus
from portal.core.queue import enqueue, enqueue_in, is_waiting
from portal.listener import NotifyListener
from portal.tasks import canary

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def broker() -> Iterator[WakeUpBroker]:
    broker = WakeUpBroker()
    yield broker
    if broker._listener is not None:
        broker._listener.close()


def put(name: str, *, after: timedelta = timedelta(0)) -> None:
    OrmQ.objects.create(key="portal", payload=name, lock=now_plus(after))


def names(found: Any) -> list[str]:
    return [payload for _, payload in found or []]


def test_the_oldest_message_comes_first_and_only_once(broker: WakeUpBroker) -> None:
    put("younger", after=timedelta(seconds=-5))
    put("older", after=timedelta(seconds=-50))
    assert [names(broker.dequeue()) for _ in range(2)] == [["older"], ["younger"]]
    assert not broker.dequeue()


def test_a_delayed_message_comes_when_its_time_has_come(broker: WakeUpBroker) -> None:
    began = time.monotonic()
    number = enqueue_in(0.4, "portal.tasks.canary")
    found = None
    while not found and time.monotonic() - began < 5:
        found = broker.dequeue()
    assert found is not None
    assert found[0][0] == number
    assert SignedPackage.loads(found[0][1])["func"] == "portal.tasks.canary"
    assert time.monotonic() - began >= 0.39


def test_a_message_is_waiting_until_it_is_acknowledged(broker: WakeUpBroker) -> None:
    number = enqueue("portal.tasks.canary")
    broker.dequeue()
    assert is_waiting(number)
    broker.acknowledge(number)
    assert not is_waiting(number)


def test_acknowledging_shows_that_the_queue_moves(broker: WakeUpBroker) -> None:
    began = time.monotonic()
    broker.acknowledge(enqueue("portal.tasks.canary"))
    assert pulse.last_work() >= began
    age = heartbeat.age("canary")
    assert age is not None
    assert age < 5


def test_a_sleeping_broker_wakes_up_for_a_new_message(broker: WakeUpBroker) -> None:
    broker.dequeue()
    began = time.monotonic()
    thread = threading.Thread(target=in_thread, args=(0.2, lambda: enqueue("portal.tasks.canary")))
    thread.start()
    found = broker.dequeue()
    waited = time.monotonic() - began
    thread.join(timeout=5)
    assert len(found or []) == 1
    assert 0.15 < waited < 0.9


def test_a_message_that_is_rolled_back_never_was(broker: WakeUpBroker) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        enqueue("portal.tasks.canary")
        raise ZeroDivisionError
    assert not OrmQ.objects.exists()


def test_a_message_inside_a_transaction_rings_at_its_commit(broker: WakeUpBroker) -> None:
    broker.dequeue()
    listener = broker._listener
    assert listener is not None
    with transaction.atomic():
        enqueue("portal.tasks.canary")
        assert not listener.wait(0.05)
    assert listener.wait(2)


def test_only_the_supervisor_s_own_processes_take_its_probe(
    broker: WakeUpBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("work", after=timedelta(seconds=-50))
    broker.enqueue_probe("probe", "probe of host 1")
    assert names(broker.dequeue()) == ["work"]
    assert not broker.dequeue()
    monkeypatch.setattr(broker_module, "_private_key", "probe of host 1")
    assert names(broker.dequeue()) == ["probe"]


def test_a_probe_goes_ahead_of_what_waits(broker: WakeUpBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "_private_key", "mine")
    put("work", after=timedelta(seconds=-500))
    broker.enqueue_probe("probe", "mine")
    assert names(broker.dequeue()) == ["probe"]
    assert timedelta(hours=-1) > AHEAD


def test_four_processes_worth_of_brokers_share_without_taking_twice() -> None:
    for number in range(60):
        put(f"{number:02}", after=timedelta(seconds=-1))
    taken: list[str] = []
    threads = [threading.Thread(target=in_thread, args=(0, lambda: drain(taken))) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join(timeout=30) for thread in threads]
    assert sorted(taken) == [f"{number:02}" for number in range(60)]


def test_the_clock_is_the_database_s(broker: WakeUpBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: pytest.fail("the machine's clock was asked"))
    OrmQ.objects.create(key="portal", payload="work", lock=Now())
    found = broker.dequeue()
    assert names(found) == ["work"]


def test_an_absent_database_ends_nobody(broker: WakeUpBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    put("work")
    monkeypatch.setattr("portal.broker.REST_SECONDS", 0.01)
    with monkeypatch.context() as away:
        away.setattr(broker_module.queue_table, "TABLE", "nowhere")
        assert broker.dequeue() is None
    assert names(broker.dequeue()) == ["work"]


def test_the_canary_leaves_a_heartbeat() -> None:
    assert heartbeat.age("canary") is None
    canary()
    canary()
    age = heartbeat.age("canary")
    assert age is not None
    assert 0 <= age < 5


@pytest.mark.skipif(connection.vendor != "postgresql", reason="NOTIFY is PostgreSQL's")
def test_a_notification_is_heard_by_a_connection_of_its_own() -> None:
    listener = NotifyListener(connection, "some_channel")
    assert not listener.wait(0.01)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('some_channel', '')")
    assert listener.wait(5)
    listener.close()


def drain(taken: list[str]) -> None:
    broker = WakeUpBroker()
    while found := broker._claim():
        taken.extend(names(found))


def in_thread(delay: float, work: Any) -> None:
    """Run something in a thread that leaves no connection behind."""
    time.sleep(delay)
    try:
        work()
    finally:
        connection.close()
