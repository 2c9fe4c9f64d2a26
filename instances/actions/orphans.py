"""What is on one side only: take it over, or have it deleted."""

from django.db import transaction
from django.utils import timezone

from instances import inputs, rules
from instances.actions.making import set_key
from instances.actions.waking import sweep_soon, wake_fleet
from instances.models import Instance, Orphan
from instances.states import Kind, Status, Wanted
from portal.core import audit
from portal.core.conflicts import atomic_again
from portal.core.errors import ActionDenied
from portal.core.models import Team, User
from portal.core.refusals import audited

STATUS_OF = {
    "pending": Status.PENDING,
    "running": Status.RUNNING,
    "stopping": Status.STOPPING,
    "stopped": Status.STOPPED,
}
WANTED_OF = {Status.STOPPING: Wanted.STOPPED, Status.STOPPED: Wanted.STOPPED}


@audited("orphan.adopt")
@atomic_again
def adopt(*, orphan: Orphan, by: User, name: str, team: Team | None = None) -> Instance:
    """Make a row for a machine that AWS has; before anything is sent to it, its host key is confirmed."""
    rules.check_can_adopt(by, orphan)
    rules.check_can_register(by, team)
    inputs.check_fields({"name": name})
    details = orphan.details
    state = str(details.get("state", ""))
    if state not in STATUS_OF:
        raise ActionDenied(f"AWS says that it is {state or 'gone'}.", code="gone")
    if Instance.objects.filter(aws_id=orphan.identifier).exists():
        raise ActionDenied("It has a row already.", code="adopted")
    status = STATUS_OF[state]
    address = str(details.get("public_ip") or details.get("private_ip") or "")
    instance = Instance(
        name=name, kind=Kind.EC2, team=team, status=status, aws_id=orphan.identifier, aws_state=state,
        wanted=WANTED_OF.get(status, Wanted.RUNNING), region=orphan.region,
        instance_type=str(details.get("instance_type", "")), zone=str(details.get("zone", "")),
        image_id=str(details.get("image_id", "")), public_ip=str(details.get("public_ip") or ""),
        private_ip=str(details.get("private_ip") or ""), address=address, ssh_host=address, ssh_user="ubuntu",
        launched_at=orphan.made_at, seen_at=orphan.seen_at, created_by=by, due_at=timezone.now(),
        max_applications=10,
    )  # fmt: skip
    set_key(instance, "")
    instance.save()
    orphan.delete()
    audit.record("orphan.adopt", instance, by=by, team=team, aws_id=instance.aws_id, region=instance.region)
    wake_fleet()
    return instance


@audited("orphan.delete")
@transaction.atomic
def delete_orphan(*, orphan: Orphan, by: User, confirm: str = "") -> Orphan:
    """Have it deleted by the next sweep; a machine only when its id is typed."""
    rules.check_can_delete_orphan(by, orphan, confirm)
    orphan.delete_asked_by = by
    orphan.save(update_fields=["delete_asked_by"])
    audit.record("orphan.delete", orphan, by=by, identifier=orphan.identifier, region=orphan.region)
    sweep_soon()
    return orphan
