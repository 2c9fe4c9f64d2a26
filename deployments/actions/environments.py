"""Making and changing the places of an application."""

from typing import Any

from deployments import inputs, rules
from deployments.actions import reach
from deployments.actions.conflicts import atomic_again
from deployments.actions.fields import SECRETS, assign, changes, refuse_unknown, validate
from deployments.actions.refusals import audited
from deployments.models import Application, Deployment, Environment, Release
from deployments.states import UNFINISHED, Health
from instances.models import Instance
from instances.rules import check_can_use
from instances.states import Kind
from portal.core import access, audit
from portal.core.errors import Invalid
from portal.core.models import User

EDITABLE = {
    "branch", "public_port", "protected", "hostnames", "path_prefix", "https", "proxy_options", "basic_auth",
    "on_failure",
}  # fmt: skip

# What is known of a container goes with the machine it was on.
NOTHING_LIVE: dict[str, Any] = {
    "live_release": None, "live_deployment": None, "live_container": "", "live_port": None, "url": "",
    "health": Health.NOTHING, "health_detail": "", "next_check_at": None,
}  # fmt: skip


@audited("environment.create")
@atomic_again
def create_environment(
    *, application: Application, by: User, name: str, instance: Instance, **fields: Any
) -> Environment:
    """Give an application one more place to run."""
    rules.check_can_edit(by, application)
    _check_target(application, instance, by)
    refuse_unknown(fields, EDITABLE)
    environment = Environment(application=application, name=name, instance=instance)
    assign(environment, fields)
    validate(environment)
    environment.save()
    reach.settle(environment, by=by)
    audit.record("environment.create", environment, by=by, team=application.team, instance=instance.name)
    return environment


@audited("environment.update")
@atomic_again
def update_environment(
    *, environment: Environment, by: User, instance: Instance | None = None, **fields: Any
) -> Environment:
    """Change an environment; it takes effect with the next deployment."""
    rules.check_can_edit(by, environment.application)
    refuse_unknown(fields, EDITABLE)
    if environment.protected or fields.get("protected"):
        access.check(by, "variable.set_protected", environment.application.team)
    before = {name: getattr(environment, name) for name in fields if name not in SECRETS}
    if instance is not None and instance.pk != environment.instance_id:
        before["instance"] = environment.instance
        _move(environment, instance, by)
    assign(environment, fields)
    validate(environment)
    environment.save()
    reach.settle(environment, by=by)
    audit.record(
        "environment.update", environment, by=by, team=environment.application.team,
        changes=changes(before, environment, fields),
    )  # fmt: skip
    return environment


def _move(environment: Environment, instance: Instance, by: User) -> None:
    """To another instance, as long as nothing of it is on the one where it is."""
    what = f"{environment} is on {environment.instance}"
    if environment.live_release_id is not None and not rules.is_gone(environment.instance):
        raise Invalid(
            {"target": f"{what} and live there. Use another environment name to deploy to {instance}."}
        )
    if Deployment.objects.filter(environment=environment, status__in=UNFINISHED).exists():
        raise Invalid({"target": f"{what}, and a deployment there is under way. Wait for its end."})
    _check_target(environment.application, instance, by)
    environment.instance = instance
    for name, nothing in NOTHING_LIVE.items():
        setattr(environment, name, nothing)
    # Their images are on the machine that is left.
    Release.objects.filter(environment=environment).update(kept=False)


def _check_target(application: Application, instance: Instance, by: User) -> None:
    check_can_use(instance=instance, team=application.team, by=by)
    if instance.kind != Kind.LOCAL and inputs.is_local_only(application.git_url):
        raise Invalid({"target": "The examples of this checkout can be deployed to this machine only."})
    if (
        instance.environments.filter(application__deleted_at__isnull=True).count()
        >= instance.max_applications
    ):
        raise Invalid({"target": f"{instance} is full: it holds {instance.max_applications} environments."})
