"""Judges whether the queue moves. django-q2 can look alive and do nothing (an idle worker killed while
it held the queue's lock), so only a message that went all the way counts."""

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django_q.models import OrmQ
from django_q.tasks import async_task

from portal.broker import AHEAD, WakeUpBroker
from portal.core import pulse
from portal.core.clock import now_plus

logger = logging.getLogger(__name__)

CANARY_TASK = "portal.tasks.canary"
KEY_PREFIX = "probe "
# Probes of supervisors that were killed stay behind; nobody fetches them.
STALE = timedelta(minutes=10)


class _ProbeBroker(WakeUpBroker):
    """Puts a message where only our own processes fetch it, ahead of all others."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key

    def enqueue(self, task: str) -> int:
        return self.enqueue_probe(task, self.key)


class Probe:
    """Sends a canary every few seconds and knows since when none came through."""

    def __init__(self, owner: str) -> None:
        self.key = KEY_PREFIX + owner
        self._sent_at = 0.0
        self._unanswered_since: float | None = None

    def send_if_due(self) -> None:
        """Enqueue the next canary; raises when the database does not answer."""
        now = time.monotonic()
        if now - self._sent_at < settings.CANARY_SECONDS:
            return
        self._sent_at = now
        async_task(CANARY_TASK, broker=_ProbeBroker(self.key))
        if self._unanswered_since is None:
            self._unanswered_since = now

    def is_late(self) -> bool:
        """Tell whether nothing came through for too long although there was something to do."""
        if self._unanswered_since is None:
            return False
        if pulse.last_work() > self._unanswered_since:
            self._unanswered_since = None
            return False
        return time.monotonic() - self._unanswered_since > settings.CANARY_LIMIT_SECONDS

    def forget(self) -> None:
        """Start counting anew: after a restart, or when the database was away."""
        self._sent_at = 0.0
        self._unanswered_since = None

    def remove_messages(self) -> None:
        """Delete the probes that killed processes did not take: ours, and old ones of anybody."""
        old = Q(key__startswith=KEY_PREFIX, lock__lt=now_plus(AHEAD - STALE))
        OrmQ.objects.filter(Q(key=self.key) | old).delete()
