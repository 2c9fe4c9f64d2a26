"""django-q2's cluster as one process group that is started, stopped and killed as a whole."""

import gc
import logging
import os
import signal
import time
from multiprocessing import util

from django.db import connections
from django.db.models.functions import Now
from django_q.cluster import Cluster
from django_q.models import OrmQ

from portal import broker
from portal.core import pulse
from portal.supervisor import processes

logger = logging.getLogger(__name__)

STOP_SECONDS = 35.0


class _Tie:
    """Something that `register_after_fork` can hold on to; it forgets what nobody else keeps."""


_tie = _Tie()


class QueueProcesses:
    """The cluster's processes: forked from us, so a new set costs a moment and shares our memory."""

    def __init__(self, private_key: str) -> None:
        self._private_key = private_key
        self._released: set[int] = set()
        self.pid = 0
        self.started_at = 0.0

    def start(self) -> None:
        """Fork the cluster's main process; it forks the others."""
        # A connection must not be shared across a fork.
        connections.close_all()
        gc.freeze()
        parent = os.getpid()
        self.started_at = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            _run(parent, self._private_key)

    def ended(self) -> bool:
        """Tell whether the main process is gone; what is left of its group goes with it."""
        if not self.pid:
            return True
        code = processes.reap(self.pid)
        if code is None:
            return False
        logger.error("The queue's main process ended (%s) after %d s.", code, self.age())
        self.kill()
        return True

    def age(self) -> float:
        return time.monotonic() - self.started_at

    def kill(self) -> None:
        """End the whole group at once; nobody in it can refuse."""
        if not self.pid:
            return
        processes.signal_group(self.pid, signal.SIGKILL)
        processes.reap(self.pid)
        processes.wait_until(lambda: not processes.members(self.pid), 5)
        processes.reap(self.pid)
        self.pid = 0

    def release_messages(self) -> int:
        """Give back what the killed processes had fetched; otherwise it would wait until its lock ends.

        Once only: a message that was there at two standstills may be their cause.
        """
        numbers = set(pulse.held())
        for number in numbers:
            pulse.note_done(number)
        again = OrmQ.objects.filter(pk__in=numbers - self._released)
        self._released = numbers
        return int(again.update(lock=Now()))

    def stop(self) -> None:
        """Let running tasks end their slice; what still runs after some time is killed."""
        if self.pid and not self.ended():
            pulse.ask_to_stop()
            os.kill(self.pid, signal.SIGTERM)
            if not processes.wait_until(lambda: processes.look_at(self.pid) is None, STOP_SECONDS):
                logger.warning("The queue did not stop in %d s; ending it now.", STOP_SECONDS)
        self.kill()


def _run(parent: int, private_key: str) -> None:
    """In the child: run the cluster to its end. Never returns."""
    code = 1
    try:
        processes.begin_child(parent, signal.SIGKILL)
        # The same for the sentinel, its workers and helpers; not for what a task starts.
        util.register_after_fork(_tie, lambda _: processes.die_with_parent())
        broker.use_private_key(private_key)
        cluster = Cluster()
        cluster.start()
        cluster.sentinel.join()
        code = 0
    except Exception:
        logger.exception("The queue could not run.")
    finally:
        os._exit(code)
