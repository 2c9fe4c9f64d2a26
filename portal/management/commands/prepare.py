"""`manage.py prepare`: the release step of an installation whose processes are started one by one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal import addresses, first_run
from portal.preparation import NotPrepared, prepare


class Command(BaseCommand):
    help = "Apply migrations, collect static files, make the first administrator. Safe to repeat."
    # They would load every page and form, which this process never shows.
    requires_system_checks: list[str] = []  # noqa: RUF012

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            password = prepare(migrate=True)
        except NotPrepared as error:
            raise CommandError(str(error)) from error
        if password:
            self.stdout.write(first_run.box(password, addresses.portal_url()))
