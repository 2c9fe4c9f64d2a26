"""The queue: django-q2's table in the main database, with a bell instead of polling.

Whoever fetches waits for NOTIFY on PostgreSQL and for a unix datagram on SQLite, so a message is
fetched within milliseconds and an idle queue asks once per second. Times are the database's: a
machine whose clock is wrong neither steals nor delays.
"""

import logging
import time
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import QuerySet
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ

from portal import queue_table
from portal.core import bell, heartbeat, pulse
from portal.core.queue import enqueue, enqueue_in
from portal.listener import NotifyListener
from portal.tasks import CANARY

__all__ = ["WakeUpBroker", "enqueue", "enqueue_in"]

logger = logging.getLogger(__name__)

TOPIC = "queue"
# The longest sleep: a lost ring costs no more than this.
MAX_WAIT_SECONDS = 1.0
REST_SECONDS = 1.0
BEAT_SECONDS = 5.0
# Messages that are taken off our hands this fast, so many times in a row, are worth fetching in bulk.
QUICK_SECONDS = 0.02
QUICK_IN_A_ROW = 10
MANY = 10
# How far a probe goes ahead of the messages that wait.
AHEAD = timedelta(days=-1)

_private_key = ""


def use_private_key(key: str) -> None:
    """Also fetch messages with this key: a supervisor's probes, which only its own processes may take."""
    global _private_key
    _private_key = key


class WakeUpBroker(ORM):  # type: ignore[misc]
    """Fetches the oldest message that is due; each is taken by one process only."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self.delay_seconds = 0.0
        self.last_number = 0
        self._listener: bell.Listener | NotifyListener | None = None
        # While messages keep coming, asking first whether there are any would be one question too many.
        self._busy = True
        self._quick = 0
        self._fetched_at = 0.0
        self._away = False
        self._beat_at = 0.0

    @staticmethod
    def get_connection(list_key: str | None = None) -> QuerySet[Any]:
        """The rows. Unlike the stock broker it does not connect, so that an absent database kills nobody."""
        rows: QuerySet[Any] = OrmQ.objects.using(Conf.ORM)
        return rows

    @staticmethod
    def get_cache() -> None:
        """No cache: the stock cluster would write statistics there twice a second that nobody reads."""

    def enqueue(self, task: str) -> int:
        """Add a message and ring; both become visible with the caller's commit."""
        return self._put(self.list_key, task, self.delay_seconds)

    def enqueue_probe(self, task: str, key: str) -> int:
        """Add a message that goes ahead of all others, for the processes that know this key."""
        return self._put(key, task, AHEAD.total_seconds())

    def dequeue(self) -> list[tuple[int, str]] | None:
        """Return the messages that are due; wait for some time when there are none."""
        try:
            found = (self._claim() if self._busy else []) or self._wait_and_claim()
        except (DatabaseError, InterfaceError, OSError) as error:
            self._rest(error)
            return None
        self._busy = bool(found)
        self._note_pace(found)
        if self._away:
            self._away = False
            logger.warning("The database is back.")
        for number, _ in found:
            pulse.note_fetched(number)
        return found

    def acknowledge(self, task_id: int) -> None:
        """Remove a message that was worked off, and note that the queue moves."""
        try:
            self.delete(task_id)
            self._note_work()
        except (DatabaseError, InterfaceError):
            # It will be delivered again; every task can bear that. Dying here would cost more.
            logger.warning("A message could not be acknowledged; the database does not answer.")
            connections[Conf.ORM].close()

    def delete(self, task_id: int) -> None:
        """Remove a message for good."""
        pulse.note_done(task_id)
        queue_table.remove(task_id)

    def _put(self, key: str, task: str, delay_seconds: float) -> int:
        self.last_number = queue_table.put(key, task, delay_seconds=delay_seconds)
        if not queue_table.rings_itself():
            bell.ring(TOPIC)
        return self.last_number

    def _claim(self) -> list[tuple[int, str]]:
        limit = MANY if self._quick > QUICK_IN_A_ROW else Conf.BULK
        return queue_table.claim(self._keys(), limit=limit, seconds=Conf.RETRY)

    def _note_pace(self, found: list[tuple[int, str]]) -> None:
        """Short tasks are fetched several at a time; long ones singly, as others may be free for them."""
        now = time.monotonic()
        self._quick = self._quick + 1 if now - self._fetched_at < QUICK_SECONDS * max(1, len(found)) else 0
        self._fetched_at = now

    def _wait_and_claim(self) -> list[tuple[int, str]]:
        if self._listener is None:
            # What was put in before we listened did not ring for us.
            self._listener = self._listen()
            return self._claim()
        left = queue_table.seconds_to_next(self._keys())
        if left is None or left > 0:
            rang = self._listener.wait(MAX_WAIT_SECONDS if left is None else min(MAX_WAIT_SECONDS, left))
            if not rang and (left is None or left > MAX_WAIT_SECONDS):
                return []
        return self._claim()

    def _keys(self) -> list[str]:
        return [self.list_key, _private_key] if _private_key else [self.list_key]

    def _listen(self) -> bell.Listener | NotifyListener:
        connection = connections[Conf.ORM]
        if connection.vendor == "postgresql":
            return NotifyListener(connection, queue_table.CHANNEL)
        return bell.Listener(TOPIC)

    def _rest(self, error: Exception) -> None:
        """Try again later. The stock pusher would end here and be started anew each time."""
        if not self._away:
            logger.warning("The queue cannot be read (%s); trying again until it can.", type(error).__name__)
        self._away = True
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        connections[Conf.ORM].close()
        time.sleep(REST_SECONDS)

    def _note_work(self) -> None:
        pulse.note_work()
        if time.monotonic() - self._beat_at > BEAT_SECONDS:
            heartbeat.beat(CANARY)
            self._beat_at = time.monotonic()
