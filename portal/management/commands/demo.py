"""`manage.py demo`: the example application, live on this machine, in one command."""

import time
import urllib.error
import urllib.request
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from deployments import actions, tasks
from deployments.follow import TooLong, follow
from deployments.models import Deployment
from deployments.pipeline.failures import explain
from deployments.states import Status
from portal import first_run
from portal.addresses import portal_url
from portal.core import heartbeat
from portal.management.terminal import TerminalCommand, acting_user
from portal.preparation import NotPrepared, prepare
from portal.supervisor import temporary
from portal.tasks import CANARY

EXAMPLE = "sentiment-api"
LONGEST_SECONDS = 300
ANSWER_SECONDS = 20


class Command(TerminalCommand):
    help = "Deploy the example application on this machine and print its URL. Works with and without a running portal."
    next_command = "manage.py doctor"

    def work(self, **options: Any) -> int:
        try:
            password = prepare(migrate=False)
        except NotPrepared as error:
            raise CommandError(str(error)) from error
        if password:
            self.stderr.write(first_run.box(password, portal_url()))
        url = (settings.EXAMPLES_DIR / EXAMPLE).as_uri()
        with temporary.worker(needed=not _somebody_works()):
            started = actions.deploy_url(git_url=url, by=acting_user(""), name=EXAMPLE)
            tasks.wake()
            deployment = self._follow(started.deployment)
        if deployment.status != Status.SUCCEEDED:
            explanation = explain(deployment.failure_code)
            raise CommandError(f"{explanation.title}. {deployment.failure_detail}\n{explanation.fix}")
        if not self._answers(deployment.url):
            raise CommandError(f"{deployment.url} is live, but does not answer from here.")
        self.stdout.write(deployment.url)
        return 0

    def _follow(self, deployment: Deployment) -> Deployment:
        try:
            return follow(
                deployment,
                line=lambda line: self.note(line.text),
                status=lambda row: self.note(f"{row}: {row.get_status_display().lower()}"),
                deadline_seconds=LONGEST_SECONDS,
            )
        except TooLong:
            raise CommandError(f"It was not live within {LONGEST_SECONDS} s. See {portal_url()}.") from None

    def _answers(self, url: str) -> bool:
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (an address of our own)
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        return False


def _somebody_works() -> bool:
    """Whether a worker of a running portal has shown life a moment ago."""
    age = heartbeat.age(CANARY)
    return age is not None and age < settings.CANARY_LIMIT_SECONDS
