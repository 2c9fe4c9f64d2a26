"""`manage.py worker`: works off the queue until it is told to stop."""

from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Work on deployments until stopped (SIGTERM or Ctrl-C). Its processes are supervised."
    # They would load every page and form, which this process never shows.
    requires_system_checks: list[str] = []  # noqa: RUF012

    def handle(self, *args: Any, **options: Any) -> None:
        from portal.supervisor.worker import WorkerSupervisor

        WorkerSupervisor().run()
