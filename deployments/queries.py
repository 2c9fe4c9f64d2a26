"""What pages, API and commands read: scoped to the person, with a constant number of queries."""

import re
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from deployments import rules, snapshots
from deployments.models import Application, Deployment, Environment, Release
from deployments.pipeline.run_configs import effective
from deployments.states import ACTIVE, UNFINISHED, Health, Status
from portal.core import access
from portal.core.errors import NotFound
from portal.core.models import User

SHORT_ID = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True)
class QueuePosition:
    """How many are ahead of a queued deployment, and why it waits."""

    ahead: int
    reason: str


@dataclass(frozen=True)
class Overview:
    """The figures of the first page."""

    applications: int
    live: int
    unhealthy: int
    active: int
    failed_this_week: int
    succeeded_this_week: int
    deployments: int


def visible_applications(user: User) -> QuerySet[Application]:
    """The applications this person may see, each with its newest deployment's number and status."""
    newest = Deployment.objects.filter(application=OuterRef("pk")).order_by("-id")
    return (
        Application.objects.filter(
            deleted_at__isnull=True, team__in=access.teams_with(user, "application.see")
        )
        .select_related("team")
        .annotate(
            latest_short_id=Subquery(newest.values("short_id")[:1]),
            latest_number=Subquery(newest.values("number")[:1]),
            latest_status=Subquery(newest.values("status")[:1]),
            latest_at=Subquery(newest.values("created_at")[:1]),
        )
    )


def search_applications(user: User, text: str) -> QuerySet[Application]:
    """The same, by name, repository, address, or instance."""
    found = visible_applications(user)
    if not text:
        return found
    return found.filter(
        Q(name__icontains=text)
        | Q(git_url__icontains=text)
        | Q(environments__url__icontains=text)
        | Q(environments__instance__name__icontains=text)
    ).distinct()


def visible_environments(user: User) -> QuerySet[Environment]:
    return Environment.objects.filter(
        application__deleted_at__isnull=True,
        application__team__in=access.teams_with(user, "application.see"),
    ).select_related("application__team", "instance", "live_release", "live_deployment")


def visible_deployments(user: User) -> QuerySet[Deployment]:
    """Deployments of the person's teams, newest first; also those of deleted applications."""
    return Deployment.objects.filter(
        application__team__in=access.teams_with(user, "application.see")
    ).select_related(
        "application__team", "environment__instance", "environment__live_release", "instance",
        "requested_by", "release", "origin", "superseded_by",
    )  # fmt: skip


def get_application(user: User, name: str) -> Application:
    """One application by name or uuid; raises NotFound alike for missing and foreign ones."""
    uuid = _as_uuid(name)
    match = Q(uuid=uuid) if uuid else Q(name=name)
    application = visible_applications(user).filter(match).first()
    if application is None:
        raise NotFound
    return application


def get_environment(user: User, application: str, name: str) -> Environment:
    """One environment by the names of its application and its own."""
    environment = visible_environments(user).filter(application__name=application, name=name).first()
    if environment is None:
        raise NotFound
    return environment


def get_deployment(user: User, identifier: str) -> Deployment:
    """One deployment by uuid or short id; the newest one where two share a short id."""
    deployment = visible_deployments(user).filter(_identified(identifier)).first()
    if deployment is None:
        raise NotFound
    return deployment


def get_deployment_key(user: User, identifier: str) -> tuple[int, UUID]:
    """Only the keys of one deployment: hundreds of viewers may come back in the same second."""
    rows = visible_deployments(user).filter(_identified(identifier)).select_related(None)
    keys = rows.values_list("pk", "uuid").first()
    if keys is None:
        raise NotFound
    return keys


def queue_position(deployment: Deployment) -> QueuePosition:
    """Why a queued deployment has not begun, in words."""
    ahead = (
        Deployment.objects.filter(environment=deployment.environment, status__in=ACTIVE)
        .exclude(pk=deployment.pk)
        .select_related("application", "requested_by")
    )
    blocker = ahead.first()
    if blocker is not None:
        who = f", started by {blocker.requested_by}" if blocker.requested_by else ""
        return QueuePosition(len(ahead), f"Next in line, behind {blocker}{who}.")
    busy = Deployment.objects.filter(
        Q(status__in=ACTIVE) | Q(status=Status.QUEUED, id__lt=deployment.pk), instance=deployment.instance
    ).count()
    if busy:
        return QueuePosition(busy, f"{busy} others are under way or waiting on {deployment.instance}.")
    return QueuePosition(0, "A worker takes it up in a moment.")


def rollback_candidates(environment: Environment) -> list[Release]:
    """The releases that can be brought back, newest first."""
    return list(rules.rollback_candidates(environment)[:10])


def changed_variables(environment: Environment) -> list[str]:
    """The names of variables that differ from those of the live release: they wait for a deployment."""
    live = environment.live_release
    if live is None or live.variables_version == environment.variables_version:
        return []
    origin = environment.live_deployment
    # What nobody set came from the repository, and is no change.
    unset = effective(origin).variables if origin else {}
    then, now = snapshots.parse_variables(live), {**unset, **snapshots.take(environment)}
    return sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))


def overview(user: User) -> Overview:
    """The figures of the first page, in three queries."""
    environments = visible_environments(user).aggregate(
        live=Count("id", filter=Q(live_release__isnull=False)),
        unhealthy=Count("id", filter=Q(health__in=(Health.UNHEALTHY, Health.LOST))),
    )
    week = timezone.now() - timedelta(days=7)
    mine = Deployment.objects.filter(application__team__in=access.teams_with(user, "application.see"))
    deployments = mine.filter(Q(created_at__gte=week) | Q(status__in=UNFINISHED)).aggregate(
        active=Count("id", filter=Q(status__in=UNFINISHED)),
        failed=Count("id", filter=Q(status__in=(Status.FAILED, Status.ROLLED_BACK), created_at__gte=week)),
        succeeded=Count("id", filter=Q(status=Status.SUCCEEDED, created_at__gte=week)),
        all=Count("id", filter=Q(created_at__gte=week)),
    )
    return Overview(
        applications=visible_applications(user).count(),
        live=environments["live"],
        unhealthy=environments["unhealthy"],
        active=deployments["active"],
        failed_this_week=deployments["failed"],
        succeeded_this_week=deployments["succeeded"],
        deployments=deployments["all"],
    )


def _identified(identifier: str) -> Q:
    uuid = _as_uuid(identifier)
    if uuid:
        return Q(uuid=uuid)
    if SHORT_ID.fullmatch(identifier):
        return Q(short_id=identifier)
    raise NotFound


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) in (32, 36) else None
    except ValueError:
        return None
