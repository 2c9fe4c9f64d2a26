"""Supervises the queue's processes: no death of any of them stops the work for more than a minute."""

import logging
import os
import socket
import time
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django_q.models import OrmQ

from portal.supervisor import processes, records
from portal.supervisor.cluster import QueueProcesses
from portal.supervisor.probe import Probe
from portal.supervisor.prompts import Prompts

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
# A cluster that dies sooner than this after its start waits a little before the next one.
EARLY_DEATH_SECONDS = 10.0
REST_SECONDS = 3.0
COMPLAIN_SECONDS = 30.0


class WorkerSupervisor:
    """Starts the queue, sends it canaries, kills and restarts it as a whole when none comes through."""

    def __init__(self) -> None:
        # Only our own processes may take our probes, or another machine's would answer for them.
        self._probe = Probe(f"{socket.gethostname()[:60]} {os.getpid()}")
        self._queue = QueueProcesses(self._probe.key)
        self._folder = Path(settings.DATA_DIR) / "run"
        self._prompts = Prompts()
        self._record: Path | None = None
        self._away = False
        self._complained_at = 0.0

    def run(self) -> None:
        """Work until a signal says stop."""
        processes.block_signals()
        ended = records.end_orphans(self._folder)
        if ended:
            logger.warning("Ended %d processes that an earlier worker had left behind.", ended)
        try:
            while True:
                self._tick()
                if processes.next_signal(TICK_SECONDS) in processes.STOP_SIGNALS:
                    break
        finally:
            self._stop()

    def _tick(self) -> None:
        try:
            self._look_after_queue()
        except (DatabaseError, InterfaceError) as error:
            # The queue's own processes wait for the database as well; a missing canary means nothing now.
            self._note_away(error)

    def _look_after_queue(self) -> None:
        if self._away or not self._queue.pid:
            OrmQ.objects.exists()
            self._note_back()
        if self._queue.ended():
            self._start()
        elif self._probe.is_late():
            logger.error(
                "The queue stands still: nothing came through for %d s. Ending and restarting its processes.",
                settings.CANARY_LIMIT_SECONDS,
            )
            self._queue.kill()
            self._start()
        self._probe.send_if_due()
        self._prompts.look_if_due()

    def _note_back(self) -> None:
        if self._away:
            logger.warning("The database answers again.")
        self._away = False

    def _note_away(self, error: Exception) -> None:
        now = time.monotonic()
        if not self._away or now - self._complained_at > COMPLAIN_SECONDS:
            logger.warning("The database does not answer (%s); waiting for it.", type(error).__name__)
            self._complained_at = now
        self._away = True
        self._probe.forget()
        connection.close()

    def _start(self) -> None:
        if self._queue.started_at and self._queue.age() < EARLY_DEATH_SECONDS:
            processes.wait_until(lambda: False, REST_SECONDS)
        self._probe.forget()
        self._probe.remove_messages()
        self._queue.release_messages()
        self._queue.start()
        self._record = records.keep(self._folder, self._queue.pid)
        logger.info("The queue runs with %d workers.", settings.WORKERS)

    def _stop(self) -> None:
        logger.info("Stopping the queue.")
        self._queue.stop()
        if self._record:
            self._record.unlink(missing_ok=True)
        try:
            self._probe.remove_messages()
        except (DatabaseError, InterfaceError):
            logger.debug("Probes stay in the table; nobody fetches them.")
