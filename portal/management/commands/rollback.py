"""`manage.py rollback`: bring an earlier release back."""

import json
from typing import Any

from django.core.management.base import CommandParser

from deployments import actions, queries
from deployments.models import Application, Deployment, Environment, Release
from portal.core.errors import Invalid, NotFound
from portal.core.models import User
from portal.management.following import follow_to_end, page_of, summary
from portal.management.terminal import TerminalCommand, acting_user, add_user_option


class Command(TerminalCommand):
    help = (
        "Bring an earlier release of an application back; by default the last good one before the live one."
    )
    next_command = "manage.py rollback --help"
    deployment: Deployment | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("application", help="Name of the application.")
        parser.add_argument("--env", default="", help="Name of the environment, where there are several.")
        parser.add_argument("--to", default="", help="Release to bring back, such as v3.")
        add_user_option(parser)
        parser.add_argument("--follow", action="store_true", help="Show the log until it has ended.")
        parser.add_argument("--json", action="store_true", help="Print JSON, one object per line.")

    def work(self, **options: Any) -> int:
        user = acting_user(options["user"])
        environment = _environment(user, options["application"], options["env"])
        release = _release(environment, options["to"]) if options["to"] else None
        started = actions.rollback(environment=environment, by=user, release=release)
        self.deployment = started.deployment
        if options["follow"]:
            return follow_to_end(self, self.deployment, as_json=options["json"])
        text = json.dumps(summary(self.deployment)) if options["json"] else page_of(self.deployment)
        self.stdout.write(text)
        return 0

    def after_interrupt(self) -> str:
        if self.deployment is None:
            return ""
        return f"The rollback goes on. To see it: manage.py logs {self.deployment.short_id} --follow"


def _environment(user: User, application: str, name: str) -> Environment:
    places = list(queries.visible_environments(user).filter(application=_application(user, application)))
    found = [place for place in places if place.name == name] if name else places
    if len(found) == 1:
        return found[0]
    names = ", ".join(place.name for place in places)
    if name:
        raise NotFound(f"{application} has no environment {name}; it has {names or 'none yet'}.")
    raise Invalid({"--env": f"Name one of the environments of {application}: {names or 'none yet'}."})


def _application(user: User, name: str) -> Application:
    try:
        return queries.get_application(user, name)
    except NotFound:
        raise NotFound(f"There is no application {name}.") from None


def _release(environment: Environment, name: str) -> Release:
    number = name.removeprefix("v")
    rows = Release.objects.filter(environment=environment)
    found = rows.filter(number=int(number)).first() if number.isascii() and number.isdecimal() else None
    if found is None:
        raise NotFound(f"{environment} has no release {name}.")
    return found
