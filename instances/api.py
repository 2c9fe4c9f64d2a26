"""Instances for machines; looking only."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from instances import queries
from instances.models import Instance
from instances.states import Kind, Status
from portal.api.base import ApiView
from portal.api.describe import described, example, list_shape, looks_like, shown, shown_all
from portal.api.links import absolute, api_link
from portal.api.paging import Page, PageQuery, list_answer, page_by_number
from portal.api.routes import route
from portal.core import access


class InstancesQuery(PageQuery):
    """Where to look for instances."""

    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=["merged", "db", "aws"],
        default="merged",
        help_text="What the portal knows, what AWS has, or both.",
    )


class InstanceLinks(serializers.Serializer[Any]):
    """Where to look next."""

    self = serializers.URLField()
    page = serializers.URLField(help_text="For people.")


class InstanceShape(serializers.Serializer[Instance]):
    """An instance as a row of a list."""

    id = serializers.UUIDField(source="uuid")
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    status = serializers.ChoiceField(choices=Status.choices)
    aws_state = serializers.SerializerMethodField(help_text="Null for what is not on AWS.")
    state_match = serializers.SerializerMethodField(help_text="Whether AWS says the same; null without AWS.")
    source = serializers.SerializerMethodField()  # type: ignore[assignment]
    team = serializers.CharField(source="team.slug", default=None, allow_null=True)
    address = serializers.CharField()
    applications = serializers.IntegerField(source="environment_count", help_text="Environments on it.")
    max_applications = serializers.IntegerField()
    checked_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    links = serializers.SerializerMethodField()

    @looks_like(serializers.CharField(allow_null=True))
    def get_aws_state(self, instance: Instance) -> str | None:
        return None

    @looks_like(serializers.BooleanField(allow_null=True))
    def get_state_match(self, instance: Instance) -> bool | None:
        return None

    @looks_like(serializers.ChoiceField(choices=["db_only", "aws_only", "db+aws"]))
    def get_source(self, instance: Instance) -> str:
        return "db_only"

    @looks_like(InstanceLinks)
    def get_links(self, instance: Instance) -> dict[str, str]:
        request = self.context["request"]
        return {
            "self": api_link(request, "instance", instance.name),
            "page": absolute(request, instance.get_absolute_url()),
        }


class PlacedShape(serializers.Serializer[Any]):
    """An environment that is on the instance."""

    application = serializers.CharField(source="application.name")
    environment = serializers.CharField(source="name")
    url = serializers.CharField()
    health = serializers.CharField()


class InstanceAnswer(serializers.Serializer[Any]):
    """An instance, what is on it, and what was found there."""

    success = serializers.BooleanField()
    instance = InstanceShape()
    applications = PlacedShape(many=True)
    metrics = serializers.DictField(help_text="What was found there at the last check.")


INSTANCES = list_shape("InstanceList", "instances", InstanceShape)
_ROW = {
    "id": "c0a8a8f4-3c3e-4f7e-9a44-1f6f2b8f9b10", "name": "local", "kind": "local", "status": "running",
    "aws_state": None, "state_match": None, "source": "db_only", "team": None, "address": "127.0.0.1",
    "applications": 1, "max_applications": 50, "checked_at": "2026-01-31T12:00:00Z",
    "created_at": "2026-01-30T09:00:00Z",
    "links": {
        "self": "https://portal.example/api/v1/instances/local",
        "page": "https://portal.example/instances/local",
    },
}  # fmt: skip
_LIST = example(
    "One page",
    {
        "success": True, "count": 1, "next": None, "previous": None, "instances": [_ROW], "results": [_ROW],
    })  # fmt: skip
_ONE = example(
    "An instance",
    {
        "success": True,
        "instance": _ROW,
        "applications": [
            {
                "application": "sentiment-api", "environment": "dev",
                "url": "http://127.0.0.1:20000/", "health": "healthy",
            }
        ],
        "metrics": {"cpus": 2},
    })  # fmt: skip


class Instances(ApiView):
    """All instances that one may see."""

    parameters = {"GET": InstancesQuery}

    @described(
        operation_id="list_instances",
        summary="List instances",
        parameters=[InstancesQuery],
        responses={200: INSTANCES},
        examples=[_LIST],
    )
    def get(self, request: Request) -> Response:
        if self.query["source"] == "aws":
            # No instance of this portal is on AWS.
            return list_answer(request, "instances", [], Page([], None, None))
        page = page_by_number(queries.visible_instances(self.user).order_by("name"), self.query)
        items = shown_all(InstanceShape, page.rows, request)
        return list_answer(request, "instances", items, page)


class OneInstance(ApiView):
    """An instance and what is on it."""

    @described(
        operation_id="get_instance",
        summary="Show an instance",
        responses={200: InstanceAnswer},
        examples=[_ONE],
    )
    def get(self, request: Request, identifier: str) -> Response:
        instance = queries.get_instance(self.user, identifier)
        placed = instance.environments.filter(
            application__deleted_at__isnull=True,
            application__team__in=access.teams_with(self.user, "application.see"),
        ).select_related("application")
        return Response(
            {
                "success": True,
                "instance": shown(InstanceShape, instance, request),
                "applications": shown_all(PlacedShape, placed),
                "metrics": instance.facts,
            }
        )


urlpatterns = [
    route("instances", Instances.as_view(), "instances"),
    route("instances/<identifier>", OneInstance.as_view(), "instance"),
]
