"""Start, stop, reboot and end: the wish is written down, and the fleet's turns make it so."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from instances import rules
from instances.actions.waking import reboot_soon, wake_fleet
from instances.models import Instance
from instances.states import TRANSITIONS, Status, Wanted
from portal.core import audit
from portal.core.errors import ActionDenied, Invalid
from portal.core.models import User
from portal.core.refusals import audited
from portal.core.states import WrongState, move


@audited("instance.start")
@transaction.atomic
def start(*, instance: Instance, by: User) -> Instance:
    """Start a stopped machine; it is running once AWS says so."""
    rules.check_can_start(by, instance)
    return _wish(instance, Wanted.RUNNING, Status.PENDING, by, "instance.start")


@audited("instance.stop")
@transaction.atomic
def stop(*, instance: Instance, by: User) -> Instance:
    """Stop a machine; what lives on it answers again after a start."""
    rules.check_can_stop(by, instance)
    return _wish(instance, Wanted.STOPPED, Status.STOPPING, by, "instance.stop")


@audited("instance.terminate")
@transaction.atomic
def terminate(*, instance: Instance, by: User, confirm: str) -> Instance:
    """End a machine for good; its name has to be typed."""
    rules.check_can_terminate(by, instance)
    if confirm != instance.name:
        raise Invalid({"confirm": f"Type the name {instance.name} to terminate it. Nothing was done."})
    dying = [str(row) for row in rules.environments_on(instance)]
    if not instance.aws_id and instance.due_at is None:
        # Nothing was ever asked of AWS.
        Instance.objects.filter(pk=instance.pk).update(status=Status.TERMINATED, wanted=Wanted.TERMINATED)
        instance.status, instance.wanted = Status.TERMINATED, Wanted.TERMINATED
        audit.record("instance.terminate", instance, by=by, team=instance.team, dying=dying)
        return instance
    return _wish(instance, Wanted.TERMINATED, Status.TERMINATING, by, "instance.terminate", dying=dying)


@audited("instance.reboot")
@transaction.atomic
def reboot(*, instance: Instance, by: User) -> Instance:
    """Restart the machine's operating system."""
    rules.check_can_reboot(by, instance)
    audit.record("instance.reboot", instance, by=by, team=instance.team)
    reboot_soon(instance)
    return instance


def _wish(
    instance: Instance, wanted: Wanted, status: Status, by: User, action: str, dying: list[str] | None = None
) -> Instance:
    now = timezone.now()
    try:
        move(instance, to=status, transitions=TRANSITIONS, wanted=wanted, due_at=now)
    except WrongState:
        if wanted != Wanted.TERMINATED:
            raise ActionDenied(
                f"{instance.name} changed its state a moment ago. Look again.", code="conflict"
            ) from None
        # It is on its way to another state; the fleet ends it from there.
        Instance.objects.filter(pk=instance.pk).update(wanted=wanted, due_at=now)
        instance.wanted, instance.due_at = wanted, now
    details: dict[str, Any] = {} if dying is None else {"dying": dying}
    audit.record(action, instance, by=by, team=instance.team, **details)
    wake_fleet()
    return instance
