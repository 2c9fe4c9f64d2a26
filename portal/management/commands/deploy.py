"""`manage.py deploy`: a Git URL or an image becomes a live URL."""

import json
from typing import Any

from django.core.management.base import CommandParser

from deployments import actions, planning
from deployments.models import Deployment
from portal.management.following import follow_to_end, page_of, summary
from portal.management.plans import print_plan
from portal.management.terminal import FAILED, TerminalCommand, acting_user, add_user_option


class Command(TerminalCommand):
    help = (
        "Deploy a Git repository, or with --image an image. Prints the address of the deployment, or with --follow its log and, last, "
        "the URL. Exit codes: 0 started or live, 1 failed, 2 wrong usage, 3 not found, 4 refused, "
        "130 interrupted."
    )
    next_command = "manage.py deploy --help"
    deployment: Deployment | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "url", nargs="?", default="", help="Git URL, such as https://github.com/acme/sentiment-api"
        )
        parser.add_argument("--image", default="", help="Image made elsewhere, such as ghcr.io/acme/app:1.2.")
        parser.add_argument("--name", default="", help="Name of the application. Default: from the URL.")
        parser.add_argument(
            "--target", default="", help="`local`, the name of an instance, or `ec2` for a new one."
        )
        parser.add_argument("--region", default="", help="AWS region of a new instance.")
        parser.add_argument("--instance-type", default="", help="Type of a new instance, such as t3.small.")
        parser.add_argument("--instance-name", default="", help="Name of a new instance.")
        parser.add_argument("--context", help="Folder of the repository that is built.")
        parser.add_argument("--no-cache", action="store_true", help="Build every layer anew.")
        parser.add_argument("--env", default="dev", help="Name of the environment. Default: dev.")
        parser.add_argument("--branch", default="", help="Branch, tag or commit. Default: the repository's.")
        parser.add_argument("--port", type=int, help="Port on which the application listens.")
        add_user_option(parser)
        parser.add_argument(
            "--plan", action="store_true", help="Only say what would be done. Nothing is made or started."
        )
        parser.add_argument("--plan-hash", default="", help="Of a plan: deploy only while it holds.")
        parser.add_argument("--follow", action="store_true", help="Show the log until it has ended.")
        parser.add_argument("--json", action="store_true", help="Print JSON, one object per line.")

    def work(self, **options: Any) -> int:
        wish = _wish(options)
        if options["plan"]:
            plan = planning.plan(**wish)
            print_plan(self, plan, as_json=options["json"])
            return FAILED if plan.blockers else 0
        mark = options["plan_hash"]
        started = planning.deploy_planned(plan_hash=mark, **wish) if mark else actions.deploy_url(**wish)
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


def _wish(options: dict[str, Any]) -> dict[str, Any]:
    """The arguments in the words of the action."""
    return {
        "git_url": options["url"],
        "image": options["image"],
        "by": acting_user(options["user"]),
        "name": options["name"],
        "environment": options["env"],
        "target": options["target"],
        "region": options["region"],
        "instance_type": options["instance_type"],
        "instance_name": options["instance_name"],
        "context": options["context"],
        "options": {"no_cache": True} if options["no_cache"] else None,
        "branch": options["branch"],
        "container_port": options["port"],
    }
