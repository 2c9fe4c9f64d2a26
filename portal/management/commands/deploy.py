"""`manage.py deploy`: a Git URL becomes a live URL."""

import json
from typing import Any

from django.core.management.base import CommandParser

from deployments import actions
from deployments.models import Deployment
from portal.management.following import follow_to_end, page_of, summary
from portal.management.terminal import TerminalCommand, acting_user, add_user_option


class Command(TerminalCommand):
    help = (
        "Deploy a Git repository. Prints the address of the deployment, or with --follow its log and, last, "
        "the URL. Exit codes: 0 started or live, 1 failed, 2 wrong usage, 3 not found, 4 refused, "
        "130 interrupted."
    )
    next_command = "manage.py deploy --help"
    deployment: Deployment | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="Git URL, such as https://github.com/acme/sentiment-api")
        parser.add_argument("--name", default="", help="Name of the application. Default: from the URL.")
        parser.add_argument("--target", default="", help="`local` or the name of an instance.")
        parser.add_argument("--env", default="dev", help="Name of the environment. Default: dev.")
        parser.add_argument("--branch", default="", help="Branch, tag or commit. Default: the repository's.")
        parser.add_argument("--port", type=int, help="Port on which the application listens.")
        add_user_option(parser)
        parser.add_argument("--follow", action="store_true", help="Show the log until it has ended.")
        parser.add_argument("--json", action="store_true", help="Print JSON, one object per line.")

    def work(self, **options: Any) -> int:
        started = actions.deploy_url(
            git_url=options["url"],
            by=acting_user(options["user"]),
            name=options["name"],
            environment=options["env"],
            target=options["target"],
            branch=options["branch"],
            container_port=options["port"],
        )
        self.deployment = started.deployment
        if not started.created:
            self.note("The same deployment was under way already.")
        if options["follow"]:
            self.note(f"Also at {page_of(self.deployment)}")
            return follow_to_end(self, self.deployment, as_json=options["json"])
        text = json.dumps(summary(self.deployment)) if options["json"] else page_of(self.deployment)
        self.stdout.write(text)
        return 0

    def after_interrupt(self) -> str:
        if self.deployment is None:
            return ""
        return f"The deployment goes on. To see it: manage.py logs {self.deployment.short_id} --follow"
