"""`manage.py up`: the whole portal on this machine, stopped by one Ctrl-C."""

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from portal import addresses, first_run
from portal.preparation import NotPrepared, prepare
from portal.supervisor import stack


class Command(BaseCommand):
    help = "Prepare the portal, then run web server and worker until stopped."
    # They would load every page and form, which this process never shows.
    requires_system_checks: list[str] = []  # noqa: RUF012

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--migrate",
            action="store_true",
            help="Apply migrations on PostgreSQL too (on SQLite always).",
        )

    def handle(self, *args: Any, migrate: bool, **options: Any) -> None:
        problem = addresses.why_not_listen()
        if problem:
            raise CommandError(problem)
        self.stderr.write("Preparing the portal…")
        try:
            password = prepare(migrate=migrate)
        except NotPrepared as error:
            raise CommandError(str(error)) from error
        if password:
            self.stdout.write(first_run.box(password, addresses.portal_url()))
        self.stdout.flush()
        connection.close()
        self._become_the_parent()

    def _become_the_parent(self) -> None:
        """Give way to a parent that needs a tenth of the memory; the process id stays."""
        argv = stack.command(
            str(settings.BASE_DIR / "manage.py"),
            host=addresses.reachable_host(),
            port=settings.PORT,
            url=addresses.portal_url(),
        )
        os.chdir(settings.BASE_DIR)
        os.execv(argv[0], argv)  # noqa: S606  (an argument list of our own)
