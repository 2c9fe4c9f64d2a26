"""Changing what is known of an instance, taking it out of use, and removing its row."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from instances import inputs, rules
from instances.actions.fields import changes, refuse_unknown, validate_row
from instances.actions.making import check_jump
from instances.actions.waking import wake_fleet
from instances.models import Instance
from instances.states import Kind
from portal.core import audit
from portal.core.conflicts import atomic_again
from portal.core.errors import Invalid
from portal.core.models import User
from portal.core.refusals import audited

ALWAYS = {"max_applications"}
SCHEDULE = {"stop_at", "start_at", "schedule_days"}
EDITABLE = {
    Kind.LOCAL: ALWAYS,
    Kind.SERVER: ALWAYS | {"address", "ssh_host", "ssh_port", "ssh_user", "jump"},
    Kind.EC2: ALWAYS | SCHEDULE | {"elastic"},
}
# As long as nothing was asked of AWS, the plan can be changed too.
PLANNED = {"instance_type", "volume_gb", "image_id", "subnet"}
MOST_APPLICATIONS = 500


@audited("instance.update")
@atomic_again
def update_instance(*, instance: Instance, by: User, **fields: Any) -> Instance:
    """Change its limits, how it is reached, or when it runs."""
    rules.check_can_manage(by, instance)
    known = EDITABLE[Kind(instance.kind)]
    if instance.kind == Kind.EC2 and not instance.aws_id and instance.due_at is None:
        known = known | PLANNED
    refuse_unknown(fields, known)
    inputs.check_fields(fields)
    if "ssh_port" in fields:
        fields["ssh_port"] = inputs.parse_port(fields["ssh_port"])
    before = {name: getattr(instance, name) for name in fields}
    for name, value in fields.items():
        setattr(instance, name, value)
    _check(instance, fields, by)
    validate_row(instance)
    instance.save(update_fields=[*fields, *_follow(instance, before)])
    audit.record("instance.update", instance, by=by, team=instance.team, changes=changes(before, instance))
    return instance


@audited("instance.drain")
@transaction.atomic
def drain(*, instance: Instance, by: User) -> Instance:
    """Take no new deployments, so that somebody can work on it; what runs goes on."""
    return _set_draining(instance, by, draining=True)


@audited("instance.undrain")
@transaction.atomic
def undrain(*, instance: Instance, by: User) -> Instance:
    """Take deployments again."""
    return _set_draining(instance, by, draining=False)


@audited("instance.forget")
@transaction.atomic
def forget(*, instance: Instance, by: User, confirm: str) -> None:
    """Remove it from the portal; the server itself stays as it is. Its name has to be typed."""
    rules.check_can_forget(by, instance)
    if confirm != instance.name:
        raise Invalid({"confirm": f"Type the name {instance.name} to remove it. Nothing was done."})
    audit.record("instance.forget", instance, by=by, team=instance.team, host=instance.ssh_host)
    # The name becomes free for another; what lived there is still told apart by it.
    Instance.objects.filter(pk=instance.pk).update(
        deleted_at=timezone.now(),
        due_at=None,
        name=f"{instance.name}~{instance.uuid.hex[:8]}",
        private_key_sealed="",
        launch_sealed="",
    )


def _set_draining(instance: Instance, by: User, *, draining: bool) -> Instance:
    rules.check_can_manage(by, instance)
    if instance.draining != draining:
        instance.draining = draining
        instance.save(update_fields=["draining"])
        action = "instance.drain" if draining else "instance.undrain"
        audit.record(action, instance, by=by, team=instance.team)
    return instance


def _check(instance: Instance, fields: dict[str, Any], by: User) -> None:
    """What no single field can say."""
    number = instance.max_applications
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_APPLICATIONS:
        raise Invalid({"max_applications": f"Write a number from 1 to {MOST_APPLICATIONS}."})
    if "jump" in fields:
        if instance.jump is not None and instance.jump.pk == instance.pk:
            raise Invalid({"jump": "A server cannot be reached through itself."})
        check_jump(instance.jump, by=by, team=instance.team)
    if SCHEDULE & set(fields):
        _check_schedule(instance)


def _check_schedule(instance: Instance) -> None:
    days = instance.schedule_days.split(",") if instance.schedule_days else []
    if any(day not in "0123456" or len(day) != 1 for day in days) or len(set(days)) != len(days):
        raise Invalid({"schedule_days": "Write the days as 0 (Monday) to 6 (Sunday) with commas between."})
    if (instance.stop_at or instance.start_at) and not days:
        raise Invalid({"schedule_days": "Choose at least one day."})
    if instance.stop_at and instance.stop_at == instance.start_at:
        raise Invalid({"start_at": "It cannot be stopped and started at the same time."})


def _follow(instance: Instance, before: dict[str, Any]) -> set[str]:
    """What else changes with the fields; the names of what has to be saved too."""
    more = set()
    if "ssh_host" in before and "address" not in before and instance.address == before["ssh_host"]:
        instance.address = instance.ssh_host
        more.add("address")
    if SCHEDULE & set(before) or "elastic" in before:
        if instance.aws_id:
            instance.due_at = timezone.now()
            more.add("due_at")
            wake_fleet()
        instance.scheduled_until = None
        more.add("scheduled_until")
    return more
