"""A machine of AWS: its row follows what AWS says, and AWS is asked for what people want."""

import os
import threading
import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from instances import fleet_hosts, following, launching, machines
from instances.clouds.base import CloudError, Machine, Machines
from instances.clouds.of import machines_in
from instances.models import Instance
from instances.states import Kind, Status, Wanted
from portal.core import audit

# One list of a region serves all its rows for as long as this.
FRESH_SECONDS = 2.0
MOVING_SECONDS = 3.0
REFUSED_SECONDS = 300.0
# Seen this recently, it is more likely that AWS is confused than that the machine is gone.
GONE_AFTER = timedelta(seconds=25)
# AWS shows a machine for about an hour after its end; before that, not to find it proves nothing.
SHOWN_AFTER_END = timedelta(minutes=65)
OUTSIDE = "ended outside of the portal"

_lists: dict[tuple[int, str], tuple[float, dict[str, Machine]]] = {}
_lock = threading.Lock()


def look(instance: Instance) -> float | None:
    """Follow AWS and do the one thing that is wanted; returns the seconds to the next look."""
    if not instance.aws_id:
        return _without_machine(instance)
    cloud = machines_in(instance.region)
    machine = _listed(instance.region).get(instance.aws_id) or cloud.find(instance.aws_id)
    if machine is None:
        return _missing(instance)
    if instance.status == Status.TERMINATED and instance.wanted != Wanted.TERMINATED and machine.live:
        # We were wrong about its end. People decide: the sweep shows it to them.
        return None
    if _looks_outside(instance, machine):
        # The list may be older than the row; nobody is overruled by an old answer.
        machine = cloud.find(instance.aws_id) or machine
        instance.refresh_from_db()
    following.note(instance, machine)
    if machine.state == "terminated":
        return ended(instance, _why_ended(instance, machine))
    if instance.wanted == Wanted.TERMINATED:
        return _terminate(instance, machine, cloud)
    if instance.wanted == Wanted.STOPPED:
        return _stop(instance, machine, cloud)
    return _run(instance, machine, cloud)


def forget_lists() -> None:
    """Ask AWS anew at the next look."""
    with _lock:
        _lists.clear()


def _listed(region: str) -> dict[str, Machine]:
    key = (os.getpid(), region)
    with _lock:
        at, found = _lists.get(key, (0.0, {}))
    if time.monotonic() - at > FRESH_SECONDS or not at:
        found = {machine.id: machine for machine in machines_in(region).machines()}
        with _lock:
            _lists[key] = (time.monotonic(), found)
    return found


def _looks_outside(instance: Instance, machine: Machine) -> bool:
    """Whether somebody seems to have started or stopped it without us."""
    if instance.wanted == Wanted.RUNNING and instance.status in (Status.RUNNING, Status.UNREACHABLE):
        return machine.state in ("stopping", "stopped")
    both_stopped = instance.wanted == Wanted.STOPPED and instance.status == Status.STOPPED
    return both_stopped and machine.state in ("pending", "running")


def _run(instance: Instance, machine: Machine, cloud: Machines) -> float:
    if _looks_outside(instance, machine):
        _accept(instance, Wanted.STOPPED, "It was stopped outside of the portal.")
        following.become(instance, following.STATUS_OF[machine.state], source="aws")
        return MOVING_SECONDS
    if machine.state == "stopped":
        cloud.start(machine.id)
        forget_lists()
        following.become(instance, Status.PENDING, source="wish")
        return MOVING_SECONDS
    if machine.state != "running":
        following.become(instance, following.STATUS_OF[machine.state], source="aws")
        return MOVING_SECONDS
    if instance.elastic and not machines.ensure_address(instance, machine):
        forget_lists()
        return MOVING_SECONDS
    if instance.status != Status.UNREACHABLE:
        following.become(instance, Status.RUNNING, source="aws")
    if not (instance.host_keys and instance.ssh_host):
        return float(settings.FLEET_SECONDS)
    return fleet_hosts.reach(instance)


def _stop(instance: Instance, machine: Machine, cloud: Machines) -> float:
    if _looks_outside(instance, machine):
        _accept(instance, Wanted.RUNNING, "")
        following.become(instance, following.STATUS_OF[machine.state], source="aws")
        return MOVING_SECONDS
    if machine.state == "stopped":
        following.become(instance, Status.STOPPED, source="aws", unreachable_since=None)
        return float(settings.FLEET_SECONDS)
    if machine.state == "shutting-down":
        following.become(instance, Status.TERMINATING, source="aws")
        return MOVING_SECONDS
    if machine.state == "running":
        cloud.stop(machine.id)
        forget_lists()
    following.become(instance, Status.STOPPING, source="wish")
    return MOVING_SECONDS


def _terminate(instance: Instance, machine: Machine, cloud: Machines) -> float:
    if machine.state != "shutting-down":
        cloud.terminate(machine.id)
        forget_lists()
    following.become(instance, Status.TERMINATING, source="wish")
    return MOVING_SECONDS


def _accept(instance: Instance, wanted: str, trouble: str) -> None:
    """Somebody has decided otherwise in AWS; the portal does not argue with him."""
    changed = Instance.objects.filter(pk=instance.pk, wanted=instance.wanted, status=instance.status)
    if changed.update(wanted=wanted, trouble=trouble):
        instance.wanted, instance.trouble = wanted, trouble
        audit.record(
            f"instance.wanted_{wanted}", instance, by=None, team=instance.team, reason="Changed in AWS."
        )


def _without_machine(instance: Instance) -> float | None:
    """A row that has no machine yet: make one, or see that none comes any more."""
    if instance.status == Status.TERMINATED:
        return None
    if instance.wanted == Wanted.TERMINATED:
        return _call_off(instance)
    if instance.wanted == Wanted.STOPPED:
        return None
    try:
        machine = machines.ensure_machine(instance)
    except CloudError as error:
        if error.again:
            raise
        following.update(instance, trouble=error.detail[:500])
        return REFUSED_SECONDS
    return float(settings.FLEET_SECONDS) if machine else 1.0


def _call_off(instance: Instance) -> float | None:
    machine = machines_in(instance.region).find_tagged(str(instance.uuid))
    if machine is not None:
        machines.take(instance, machine)
        return 0.0
    if launching.is_fresh(instance):
        # A request may be on its way, and what it makes may not show yet.
        return MOVING_SECONDS * 3
    return ended(instance, "")


def _missing(instance: Instance) -> float | None:
    now = timezone.now()
    unseen = now - instance.seen_at if instance.seen_at else SHOWN_AFTER_END
    if instance.wanted == Wanted.TERMINATED or instance.status == Status.TERMINATING:
        return ended(instance, "") if unseen >= SHOWN_AFTER_END else MOVING_SECONDS * 3
    if machines.is_young(instance) or unseen < GONE_AFTER:
        return MOVING_SECONDS * 3
    return ended(instance, f"AWS no longer knows {instance.aws_id}: it {OUTSIDE}.")


def _why_ended(instance: Instance, machine: Machine) -> str:
    if instance.wanted == Wanted.TERMINATED or instance.status == Status.TERMINATED:
        return instance.trouble if instance.status == Status.TERMINATED else ""
    return f"The machine {OUTSIDE}. AWS says: {machine.reason or 'no reason'}"[:500]


def ended(instance: Instance, trouble: str) -> float | None:
    """It is gone for good: say so, and give back what belonged to it."""
    if instance.status != Status.TERMINATED:
        following.become(
            instance, Status.TERMINATED, source="aws", trouble=trouble, unreachable_since=None,
            aws_state="terminated",
        )  # fmt: skip
    try:
        _give_back(instance)
    except CloudError as error:
        if error.again:
            return MOVING_SECONDS * 5
        raise
    return None


def _give_back(instance: Instance) -> None:
    cloud = machines_in(instance.region)
    if instance.allocation_id:
        cloud.release(instance.allocation_id)
        following.update(instance, allocation_id="")
    if instance.key_pair:
        # One that somebody else made does not carry our tag and stays.
        cloud.delete_key_pair(instance.key_pair)
        following.update(instance, key_pair="")
    if instance.group_id:
        others = Instance.objects.filter(kind=Kind.EC2, region=instance.region, group_id=instance.group_id)
        if not others.exclude(pk=instance.pk).exclude(status=Status.TERMINATED).exists():
            cloud.delete_group(instance.group_id)
        following.update(instance, group_id="")
