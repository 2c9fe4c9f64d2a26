"""What pages, API and commands read of instances."""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from instances.models import Instance, Measurement, Orphan
from instances.states import Kind
from portal.core import access
from portal.core.errors import NotFound
from portal.core.models import AuditEvent, User

SHOWN_EVENTS = 12
SHOWN_ORPHANS = 100
MOST_POINTS = 400


def visible_instances(user: User) -> QuerySet[Instance]:
    """The instances this person may see, with the number of environments that live there."""
    mine = access.teams_with(user, "application.see")
    return (
        Instance.objects.filter(Q(team__isnull=True) | Q(team__in=mine), deleted_at__isnull=True)
        .select_related("team", "jump")
        .annotate(
            environment_count=Count(
                "environments", filter=Q(environments__application__deleted_at__isnull=True), distinct=True
            )
        )
    )


def get_instance(user: User, name: str) -> Instance:
    """One instance by its name or uuid; raises NotFound when it is not there or not for this person."""
    match = Q(name=name)
    with suppress(ValueError):
        # A name may be as long as a uuid, so being no uuid is no fault.
        match |= Q(uuid=UUID(name))
    instance = visible_instances(user).filter(match).first()
    if instance is None:
        raise NotFound
    return instance


def of_source(user: User, source: str) -> QuerySet[Instance]:
    """The rows that the portal has; with `aws` only those that AWS has too."""
    rows = visible_instances(user).order_by("name")
    return rows.exclude(aws_id="") if source == "aws" else rows


def visible_orphans(user: User) -> list[Orphan]:
    """What is on one side only, oldest first; for those who may do something about it."""
    return list(orphans_of(user)[:SHOWN_ORPHANS])


def get_orphan(user: User, identifier: str) -> Orphan:
    """One orphan by its number or by what AWS calls it."""
    match = Q(identifier=identifier)
    if identifier.isascii() and identifier.isdecimal() and len(identifier) < 10:
        match |= Q(pk=int(identifier))
    orphan = orphans_of(user).filter(match).first()
    if orphan is None:
        raise NotFound
    return orphan


def orphans_of(user: User) -> QuerySet[Orphan]:
    """All for a portal admin; else what the tags or the host say belongs to a team that one manages."""
    rows = Orphan.objects.select_related("instance__team", "delete_asked_by")
    if user.is_superuser and user.is_active:
        return rows
    teams = access.teams_with(user, "instance.manage")
    return rows.filter(Q(instance__team__in=teams) | Q(details__team__in=teams.values("slug")))


def last_hour(instance: Instance) -> list[Measurement]:
    """What was measured in the last hour, oldest first."""
    since = timezone.now() - timedelta(hours=1)
    rows = Measurement.objects.filter(instance=instance, at__gte=since).order_by("-at")[:MOST_POINTS]
    return list(rows)[::-1]


def history(instance: Instance) -> list[AuditEvent]:
    """The newest things that were done to it."""
    events = AuditEvent.objects.filter(object_type="instance", object_id=str(instance.uuid))
    return list(events.order_by("-id")[:SHOWN_EVENTS])


def proposal(instance: Instance) -> AuditEvent | None:
    """Who proposed the waiting host key, and why."""
    events = AuditEvent.objects.filter(
        object_type="instance", object_id=str(instance.uuid), action="instance.host_key_propose", allowed=True
    )
    return events.order_by("-id").first()


def jump_hosts(user: User) -> QuerySet[Instance]:
    """The servers through which others can be reached."""
    return visible_instances(user).filter(kind=Kind.SERVER, jump__isnull=True).order_by("name")
