"""Writes down what AWS says about a machine, and moves the row to the state that it means."""

from collections import deque
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from instances.clouds.base import Machine
from instances.models import Instance
from instances.states import TRANSITIONS, Status
from portal.core import audit
from portal.core.states import WrongState, move

STATUS_OF = {
    "pending": Status.PENDING,
    "running": Status.RUNNING,
    "stopping": Status.STOPPING,
    "stopped": Status.STOPPED,
    "shutting-down": Status.TERMINATING,
    "terminated": Status.TERMINATED,
}


def note(instance: Instance, machine: Machine) -> None:
    """Store the machine's facts; a new address becomes the one that we sign in to."""
    changes: dict[str, Any] = {
        "aws_state": machine.state,
        "zone": machine.zone or instance.zone,
        "public_ip": machine.public_ip,
        "private_ip": machine.private_ip or instance.private_ip,
        "launched_at": machine.launched_at or instance.launched_at,
        "seen_at": timezone.now(),
    }
    host = machine.public_ip or machine.private_ip
    if host and machine.state in ("pending", "running"):
        changes["ssh_host"] = host
        # A name that somebody has given it stays; it points wherever its owner lets it point.
        if instance.address in ("", instance.public_ip, instance.private_ip, instance.ssh_host):
            changes["address"] = host
    old = instance.ssh_host
    update(instance, **changes)
    if old and host and old != host and machine.state == "running":
        audit.record(
            "instance.address_changed", instance, by=None, team=instance.team, before=old, after=host
        )


def become(instance: Instance, status: str, *, source: str, **changes: Any) -> bool:
    """Move to this state, through those between if need be; False when somebody else moved it meanwhile."""
    path = path_to(instance.status, status)
    if path is None:
        return False
    if not path:
        if changes:
            update(instance, **changes)
        return True
    before = instance.status
    try:
        with transaction.atomic():
            for place, step in enumerate(path):
                last = changes if place == len(path) - 1 else {}
                where = {"status": instance.status, "wanted": instance.wanted}
                move(instance, to=step, transitions=TRANSITIONS, where=where, **last)
            audit.record(
                "instance.state_changed", instance, by=None, team=instance.team,
                before=before, after=status, source=source, trouble=changes.get("trouble", ""),
            )  # fmt: skip
    except WrongState:
        instance.refresh_from_db()
        return False
    return True


def path_to(start: str, end: str) -> list[str] | None:
    """The states to pass on the way: AWS may have gone through some while nobody looked."""
    ways: deque[list[str]] = deque([[start]])
    seen = {start}
    while ways:
        way = ways.popleft()
        if way[-1] == end:
            return way[1:]
        for step in sorted(TRANSITIONS[Status(way[-1])]):
            # That a machine was unreachable on its way is nothing that we know.
            if step not in seen and (step == end or step != Status.UNREACHABLE):
                seen.add(step)
                ways.append([*way, step])
    return None


def update(instance: Instance, **changes: Any) -> None:
    """Write columns of the row and of the object."""
    Instance.objects.filter(pk=instance.pk).update(**changes)
    for name, value in changes.items():
        if not isinstance(value, Now):
            setattr(instance, name, value)
