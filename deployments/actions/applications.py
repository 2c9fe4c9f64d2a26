"""Making, changing and removing applications."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from deployments import inputs, rules, tasks
from deployments.actions.conflicts import atomic_again
from deployments.actions.deployments import cancel
from deployments.actions.fields import SECRETS, assign, canonical, changes, refuse_unknown, validate
from deployments.actions.refusals import audited
from deployments.models import Application, Deployment
from deployments.states import UNFINISHED, Wanted
from portal.core import access, audit
from portal.core.errors import ActionDenied
from portal.core.models import Team, User

EDITABLE = {
    "git_url", "default_branch", "dockerfile", "container_port", "health_path", "test_command",
    "memory_mb", "cpus", "description", "git_token", "deploy_key", "context", "build_args", "hooks",
}  # fmt: skip


@audited("application.create")
@atomic_again
def create_application(*, by: User, team: Team, git_url: str, name: str = "", **fields: Any) -> Application:
    """Register a repository as an application of a team."""
    access.check(by, "application.edit", team)
    refuse_unknown(fields, EDITABLE)
    repository = canonical(git_url)
    application = Application(
        team=team, git_url=git_url, repository=repository, name=name or _free_name(repository), created_by=by
    )
    assign(application, fields)
    validate(application)
    application.save()
    audit.record("application.create", application, by=by, team=team, git_url=git_url)
    return application


@audited("application.update")
@atomic_again
def update_application(*, application: Application, by: User, **fields: Any) -> Application:
    """Change how an application is built and run; it takes effect with the next deployment."""
    rules.check_can_edit(by, application)
    refuse_unknown(fields, EDITABLE)
    if "git_url" in fields:
        application.repository = canonical(fields["git_url"])
    before = {name: getattr(application, name) for name in fields if name not in SECRETS}
    assign(application, fields)
    validate(application)
    application.save()
    audit.record(
        "application.update",
        application,
        by=by,
        team=application.team,
        changes=changes(before, application, fields),
    )
    return application


@audited("application.delete")
@transaction.atomic
def delete_application(*, application: Application, by: User, force: bool = False) -> None:
    """Remove an application from its machines; its history stays. A live one only with force."""
    rules.check_can_delete(by, application)
    live = application.environments.filter(live_release__isnull=False, wanted=Wanted.RUNNING)
    if live.exists() and not force:
        names = ", ".join(environment.name for environment in live)
        raise ActionDenied(
            f"{application} is live in {names}. Stop it first, or delete with force.", code="live"
        )
    for deployment in Deployment.objects.filter(application=application, status__in=UNFINISHED):
        if rules.can_cancel(by, deployment):
            cancel(deployment=deployment, by=by)
    now = timezone.now()
    Application.objects.filter(pk=application.pk).update(deleted_at=now)
    # The watch sees that the application is deleted, and removes containers, routes and ports.
    application.environments.update(next_check_at=now, wanted=Wanted.STOPPED)
    audit.record("application.delete", application, by=by, team=application.team, force=force)
    tasks.wake()


def _free_name(url: str) -> str:
    wanted = inputs.suggest_app_name(url)
    taken = set(Application.objects.filter(deleted_at__isnull=True).values_list("name", flat=True))
    numbered = (f"{wanted[:36]}-{number}" for number in range(2, 1000))
    return wanted if wanted not in taken else next(name for name in numbered if name not in taken)
