"""`manage.py logs`: the log of a deployment."""

from typing import Any

from django.core.management.base import CommandParser

from deployments import logs, queries
from deployments.follow import BATCH
from portal.core.errors import NotFound
from portal.management.following import follow_to_end, print_line
from portal.management.terminal import TerminalCommand, acting_user, add_user_option


class Command(TerminalCommand):
    help = "Print the log of a deployment; with --follow until it has ended, and then its URL."
    next_command = "manage.py logs --help"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", help="Id of the deployment, or its first eight characters.")
        parser.add_argument("--follow", action="store_true", help="Go on until it has ended.")
        parser.add_argument("--json", action="store_true", help="Print JSON, one object per line.")
        add_user_option(parser)

    def work(self, **options: Any) -> int:
        user = acting_user(options["user"])
        try:
            deployment = queries.get_deployment(user, options["id"])
        except NotFound:
            raise NotFound(f"There is no deployment {options['id']}.") from None
        if options["follow"]:
            return follow_to_end(self, deployment, as_json=options["json"])
        after = 0
        while lines := logs.read(deployment, after=after, limit=BATCH):
            for line in lines:
                print_line(self, line, as_json=options["json"])
            after = lines[-1].number
        return 0
