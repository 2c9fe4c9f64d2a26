"""The figures of the first page, for machines."""

from typing import Any

from django.db.models import Count, Q
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import listing, queries
from deployments.states import Status
from instances.queries import visible_instances
from instances.states import Status as InstanceStatus
from portal.api.base import ApiView
from portal.api.describe import described, example, inline
from portal.core.models import User

IN_PROGRESS = (Status.WAITING_APPROVAL, Status.QUEUED, Status.RUNNING, Status.CANCELLING)
FAILED = (Status.FAILED, Status.ROLLED_BACK)


def _counts(name: str, *words: str) -> Any:
    return inline(name, {word: serializers.IntegerField() for word in words})


class StatsAnswer(serializers.Serializer[Any]):
    """How many there are of what, among those one may see."""

    success = serializers.BooleanField()
    stats = _counts(
        "StatsShape", "total_applications", "active_deployments", "failed_deployments", "running_instances"
    )
    deployments = _counts("DeploymentCounts", "total", "success", "failed", "in_progress", "cancelled")
    applications = _counts("ApplicationCounts", "total", "active")
    instances = _counts("InstanceCounts", "total", "running")


_EXAMPLE = example(
    "Figures",
    {
        "success": True,
        "stats": {
            "total_applications": 4, "active_deployments": 1, "failed_deployments": 2, "running_instances": 1,
        },
        "deployments": {"total": 31, "success": 27, "failed": 2, "in_progress": 1, "cancelled": 1},
        "applications": {"total": 4, "active": 3},
        "instances": {"total": 1, "running": 1},
    },
)  # fmt: skip


class Stats(ApiView):
    """Counts of deployments, applications and instances."""

    @described(
        operation_id="get_stats", summary="Show figures", responses={200: StatsAnswer}, examples=[_EXAMPLE]
    )
    def get(self, request: Request) -> Response:
        deployments = _deployments(self.user)
        applications = _applications(self.user)
        instances = _instances(self.user)
        stats = {
            "total_applications": applications["total"],
            "active_deployments": deployments["in_progress"],
            "failed_deployments": deployments["failed"],
            "running_instances": instances["running"],
        }
        return Response(
            {
                "success": True,
                "stats": stats,
                "deployments": deployments,
                "applications": applications,
                "instances": instances,
            }
        )


def _deployments(user: User) -> dict[str, int]:
    rows = listing.candidates(user).values_list("status").annotate(Count("id"))
    counts: dict[str, int] = dict(rows)
    return {
        "total": sum(counts.values()),
        "success": counts.get(Status.SUCCEEDED, 0),
        "failed": sum(counts.get(status, 0) for status in FAILED),
        "in_progress": sum(counts.get(status, 0) for status in IN_PROGRESS),
        "cancelled": counts.get(Status.CANCELLED, 0),
    }


def _applications(user: User) -> dict[str, int]:
    return queries.visible_applications(user).aggregate(
        total=Count("id", distinct=True),
        active=Count("id", distinct=True, filter=Q(environments__live_release__isnull=False)),
    )


def _instances(user: User) -> dict[str, int]:
    return visible_instances(user).aggregate(
        total=Count("id", distinct=True),
        running=Count("id", distinct=True, filter=Q(status=InstanceStatus.RUNNING)),
    )
