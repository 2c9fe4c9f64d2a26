"""Stopping, starting and restarting what is live; the watch makes it so."""

from django.db import transaction
from django.utils import timezone

from deployments import rules, tasks
from deployments.actions.refusals import audited
from deployments.models import Environment
from deployments.states import Wanted
from portal.core import audit
from portal.core.models import User


@audited("environment.stop")
@transaction.atomic
def stop_environment(*, environment: Environment, by: User) -> Environment:
    """Stop what runs there; its URL answers 502 until it is started again."""
    rules.check_can_stop(by, environment)
    return _want(environment, by=by, action="environment.stop", wanted=Wanted.STOPPED)


@audited("environment.start")
@transaction.atomic
def start_environment(*, environment: Environment, by: User) -> Environment:
    """Start what was stopped, the same release with the same variables."""
    rules.check_can_run(by, environment)
    return _want(environment, by=by, action="environment.start", wanted=Wanted.RUNNING)


@audited("environment.restart")
@transaction.atomic
def restart_environment(*, environment: Environment, by: User) -> Environment:
    """Stop and start what runs there."""
    rules.check_can_operate(by, environment)
    return _want(environment, by=by, action="environment.restart", wanted=Wanted.RUNNING, restart_asked=True)


def _want(environment: Environment, *, by: User, action: str, **changes: object) -> Environment:
    changes |= {"next_check_at": timezone.now(), "next_restart_at": None}
    Environment.objects.filter(pk=environment.pk).update(**changes)
    audit.record(action, environment, by=by, team=environment.application.team)
    tasks.wake()
    environment.refresh_from_db()
    return environment
