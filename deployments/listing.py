"""Long lists of deployments: which rows, found by an index alone, and then only those rows in full.

A database that joins six tables before it sorts does so for every row that somebody may see. So the
page's ids are found first, in one table, among literal ids of applications or environments; how many
deployments there are then matters to neither SQLite nor PostgreSQL, with or without statistics.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from deployments.models import Application, Deployment, Environment
from portal.core import access
from portal.core.models import User

RELATED = ("application", "environment", "instance", "requested_by", "release")
# What a list shows. Facts, options and evidence are large, and reading them takes longer than all of this.
SHOWN = (
    "uuid", "short_id", "number", "kind", "status", "source", "ref", "commit", "commit_subject", "url",
    "created_at", "started_at", "finished_at", "failure_code", "failure_detail",
    "application__uuid", "application__name", "application__git_url", "environment__name", "instance__name",
    "requested_by__username", "release__number",
)  # fmt: skip


def candidates(
    user: User,
    *,
    application: str = "",
    environment: str = "",
    status: str = "",
    created_after: datetime | None = None,
) -> QuerySet[Deployment]:
    """The deployments that fit, among those this person may see; cheap to order by id and to cut."""
    rows = _in_scope(user, application, environment)
    if status:
        rows = rows.filter(status=status)
    if created_after:
        rows = rows.filter(created_at__gt=created_after)
    return rows


def newest(rows: QuerySet[Deployment], number: int) -> list[Deployment]:
    """The newest of these, in full."""
    return in_full(list(rows.order_by("-id").values_list("pk", flat=True)[:number]))


def in_full(keys: Sequence[int]) -> list[Deployment]:
    """The rows with these keys and all that a list shows of them, in the order of the keys."""
    found = Deployment.objects.select_related(*RELATED).only(*SHOWN).in_bulk(keys)
    return [found[key] for key in keys if key in found]


def _in_scope(user: User, application: str, environment: str) -> QuerySet[Deployment]:
    """One list of literal ids: a second one would make the database choose, and sometimes badly."""
    teams = access.teams_with(user, "application.see")
    if environment:
        places = Environment.objects.filter(application__team__in=teams, name=environment)
        if application:
            places = places.filter(_named(application, "application__"))
        return Deployment.objects.filter(environment_id__in=list(places.values_list("id", flat=True)))
    mine = Application.objects.filter(team__in=teams)
    if application:
        mine = mine.filter(_named(application))
    return Deployment.objects.filter(application_id__in=list(mine.values_list("id", flat=True)))


def _named(text: str, prefix: str = "") -> Q:
    """An application by its name or uuid."""
    try:
        return Q(**{f"{prefix}uuid": UUID(text)})
    except ValueError:
        return Q(**{f"{prefix}name": text})
