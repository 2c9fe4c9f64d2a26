"""What pages, API and commands read of instances."""

from contextlib import suppress
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from instances.models import Instance
from portal.core import access
from portal.core.errors import NotFound
from portal.core.models import User


def visible_instances(user: User) -> QuerySet[Instance]:
    """The instances this person may see, with the number of environments that live there."""
    mine = access.teams_with(user, "application.see")
    return (
        Instance.objects.filter(Q(team__isnull=True) | Q(team__in=mine))
        .select_related("team")
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
