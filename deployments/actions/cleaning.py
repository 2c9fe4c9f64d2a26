"""Making room on a machine: our own images that no kept release stands on. Foreign ones are never touched.

The queue does it in slices; the audit event at the end is what pages show.
"""

import time
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from deployments.models import Deployment
from deployments.pipeline import leftovers, places
from deployments.states import ACTIVE
from instances import rules
from instances.hosts.base import HostError
from instances.models import Instance
from portal.core import audit
from portal.core.errors import ActionDenied, NotFound
from portal.core.models import AuditEvent, User
from portal.core.queue import enqueue
from portal.core.refusals import audited

ASKED, CLEANED = "instance.clean", "instance.cleaned"
# Well within the time that the queue gives a task.
SLICE_SECONDS = 15.0
# Whoever asked and got no answer for so long may ask again.
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Cleaning:
    """The last cleaning of a machine; `ended_at` is empty while it is under way."""

    by: str
    asked_at: datetime
    ended_at: datetime | None = None
    removed: int = 0
    freed_mb: int | None = None
    trouble: str = ""


@audited(ASKED)
@transaction.atomic
def clean_host(*, instance: Instance, by: User) -> None:
    """Remove our images that no kept release names, and what was left over from builds."""
    check_can_clean(by, instance)
    event = audit.record(ASKED, instance, by=by, team=instance.team)
    enqueue("deployments.actions.cleaning.go_on", instance.pk, event.pk, 0, 0)


def check_can_clean(user: User, instance: Instance) -> None:
    """Raise unless this person may make room there now."""
    rules.check_can_manage(user, instance)
    if Deployment.objects.filter(instance=instance, status__in=ACTIVE).exists():
        raise ActionDenied(
            "A deployment is under way here; its image must not be taken away. Try again when it has ended.",
            code="deployment_under_way",
        )
    last = last_cleaning(instance)
    if last and last.ended_at is None:
        raise ActionDenied("It is being cleaned already.", code="cleaning_under_way")


def why_not_clean(user: User, instance: Instance) -> str:
    """Empty when room can be made, else why not."""
    try:
        check_can_clean(user, instance)
    except ActionDenied as refusal:
        return refusal.message
    except NotFound:
        return "It is not there."
    return ""


def last_cleaning(instance: Instance) -> Cleaning | None:
    """How the last one went, or goes."""
    events = AuditEvent.objects.filter(
        object_type="instance", object_id=str(instance.uuid), action__in=(ASKED, CLEANED), allowed=True
    ).order_by("-id")
    last = events.first()
    if last is None:
        return None
    if last.action == CLEANED:
        return Cleaning(
            last.actor_name, last.at, last.at, last.details["removed"], last.details["freed_mb"], last.reason
        )
    waited = (timezone.now() - last.at).total_seconds()
    if waited > PATIENCE_SECONDS:
        return Cleaning(last.actor_name, last.at, last.at, trouble="It was never done: its worker was lost.")
    return Cleaning(last.actor_name, last.at)


def go_on(instance_id: int, asked_id: int, removed: int, freed: int) -> None:
    """Remove for a while, then let other tasks have their turn; say at the end what became of it."""
    instance = Instance.objects.select_related("team").get(pk=instance_id)
    asked = AuditEvent.objects.select_related("actor").get(pk=asked_id)
    trouble, left = "", False
    try:
        found = leftovers.remove(instance, places.place_of(instance), until=time.monotonic() + SLICE_SECONDS)
        removed, freed, left = removed + found.images, freed + found.freed_bytes, found.more
    except HostError as error:
        trouble = f"The machine did not answer: {error}"
    if left and not Deployment.objects.filter(instance=instance, status__in=ACTIVE).exists():
        enqueue("deployments.actions.cleaning.go_on", instance_id, asked_id, removed, freed)
        return
    if left:
        trouble = "A deployment began; the rest was left."
    audit.record(
        CLEANED, instance, by=asked.actor, team=instance.team, reason=trouble,
        removed=removed, freed_mb=round(freed / 1e6),
    )  # fmt: skip
