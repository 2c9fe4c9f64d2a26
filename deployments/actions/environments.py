"""Making and changing the places of an application."""

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from deployments import inputs, rules
from deployments.actions.conflicts import atomic_again
from deployments.actions.fields import assign, changes, refuse_unknown, validate
from deployments.actions.refusals import audited
from deployments.models import Application, Environment
from instances.models import Instance, PortReservation
from instances.rules import check_can_use
from instances.states import Kind
from portal.core import access, audit
from portal.core.errors import Invalid
from portal.core.models import User

EDITABLE = {"branch", "public_port", "protected"}


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
    _hold_port(environment)
    audit.record("environment.create", environment, by=by, team=application.team, instance=instance.name)
    return environment


@audited("environment.update")
@atomic_again
def update_environment(*, environment: Environment, by: User, **fields: Any) -> Environment:
    """Change an environment; it takes effect with the next deployment."""
    rules.check_can_edit(by, environment.application)
    refuse_unknown(fields, EDITABLE)
    if environment.protected or fields.get("protected"):
        access.check(by, "variable.set_protected", environment.application.team)
    before = {name: getattr(environment, name) for name in fields}
    assign(environment, fields)
    validate(environment)
    environment.save()
    _hold_port(environment)
    audit.record(
        "environment.update", environment, by=by, team=environment.application.team,
        changes=changes(before, environment, fields),
    )  # fmt: skip
    return environment


def _check_target(application: Application, instance: Instance, by: User) -> None:
    check_can_use(instance=instance, team=application.team, by=by)
    if instance.kind != Kind.LOCAL and inputs.is_local_only(application.git_url):
        raise Invalid({"target": "The examples of this checkout can be deployed to this machine only."})
    if (
        instance.environments.filter(application__deleted_at__isnull=True).count()
        >= instance.max_applications
    ):
        raise Invalid({"target": f"{instance} is full: it holds {instance.max_applications} environments."})


def _hold_port(environment: Environment) -> None:
    """Reserve the public port that was asked for, or say who has it."""
    port = environment.public_port
    if port is None:
        return
    if port in (settings.PORT, *settings.LOCAL_PRIVATE_PORTS) and environment.instance.kind == Kind.LOCAL:
        raise Invalid({"host_port": f"{port} is used by the portal itself. Choose another port."})
    PortReservation.objects.filter(instance=environment.instance, holder=environment.uuid).exclude(
        number=port
    ).delete()
    try:
        with transaction.atomic():
            PortReservation.objects.get_or_create(
                instance=environment.instance, holder=environment.uuid, defaults={"number": port}
            )
    except IntegrityError:
        raise Invalid(
            {"host_port": f"{port} is taken on {environment.instance}. Choose another port."}
        ) from None
