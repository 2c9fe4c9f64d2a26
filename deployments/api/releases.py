"""The releases of an application's environment: which can be brought back, and which are kept for good."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import actions, queries
from deployments.api import inputs
from deployments.api.applications import environment_named
from deployments.models import Environment, Release
from portal.api.base import ApiView
from portal.api.describe import (
    described,
    example,
    list_example,
    list_shape,
    request_example,
    shown,
    shown_all,
)
from portal.api.fields import Flag, PlainText
from portal.api.paging import PageQuery, list_answer, page_by_number
from portal.core.errors import NotFound

FIELD_HELP = "May be left out where there is only one."


class ReleasesQuery(PageQuery):
    """Of which environment."""

    environment = PlainText(max_length=40, required=False, help_text=FIELD_HELP)


class ReleaseFields(inputs.PlaceBody):
    """What can be changed of a release: whether it is kept."""

    protected = Flag(help_text="Its image stays however many releases follow.")


class ReleaseShape(serializers.Serializer[Release]):
    """What a deployment put somewhere."""

    name = serializers.CharField(source="__str__")
    number = serializers.IntegerField()
    environment = serializers.CharField(source="environment.name")
    commit = serializers.CharField()
    commit_subject = serializers.CharField()
    ref = serializers.CharField()
    image = serializers.CharField()
    image_digest = serializers.CharField()
    image_size = serializers.IntegerField(allow_null=True, help_text="Bytes.")
    runtime = serializers.CharField()
    live = serializers.SerializerMethodField()
    proven = serializers.BooleanField(help_text="It has been live: it can be brought back.")
    kept = serializers.BooleanField(help_text="Its image is still there.")
    protected = serializers.BooleanField()
    created_at = serializers.DateTimeField()

    def get_live(self, release: Release) -> bool:
        return release.environment.live_release_id == release.pk


class ReleaseAnswer(serializers.Serializer[Any]):
    """One release."""

    success = serializers.BooleanField()
    release = ReleaseShape()


RELEASE = {
    "name": "v3", "number": 3, "environment": "dev", "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
    "commit_subject": "Answer faster", "ref": "main", "image": "portal/sentiment-api:9fceb02d0ae5",
    "image_digest": "", "image_size": 183500800, "runtime": "docker", "live": True, "proven": True, "kept": True,
    "protected": False, "created_at": "2026-01-31T12:01:00Z",
}  # fmt: skip
_LIST = list_shape("ReleaseList", "releases", ReleaseShape)
_BODY = request_example("Keep it", {"environment": "dev", "protected": True})
_ONE = example("A release", {"success": True, "release": {**RELEASE, "protected": True}})


class Releases(ApiView):
    """The releases of one environment, newest first."""

    parameters = {"GET": ReleasesQuery}

    @described(
        operation_id="list_releases",
        summary="List the releases of an environment",
        parameters=[ReleasesQuery],
        responses={200: _LIST},
        examples=[list_example("releases", RELEASE)],
    )
    def get(self, request: Request, identifier: str) -> Response:
        application = queries.get_application(self.user, identifier)
        name = self.query.get("environment", "")
        environment = environment_named(self.user, application, name, in_query=True)
        page = page_by_number(_of(environment).order_by("-number"), self.query)
        return list_answer(request, "releases", shown_all(ReleaseShape, page.rows, request), page)


class OneRelease(ApiView):
    """One release of an environment."""

    @described(
        operation_id="change_release",
        summary="Keep a release, or let it go",
        description="A protected release keeps its image, however many releases follow.",
        request=ReleaseFields,
        responses={200: ReleaseAnswer},
        examples=[_BODY, _ONE],
    )
    def patch(self, request: Request, identifier: str, release: str) -> Response:
        wish = self.body(ReleaseFields)
        application = queries.get_application(self.user, identifier)
        environment = environment_named(self.user, application, wish.get("environment") or "")
        found = _of(environment).filter(number=_number(release)).first()
        if found is None:
            raise NotFound
        actions.protect_release(release=found, by=self.user, protected=wish["protected"])
        return Response({"success": True, "release": shown(ReleaseShape, found, request)})


def _of(environment: Environment) -> QuerySet[Release]:
    return Release.objects.filter(environment=environment).select_related("environment__application__team")


def _number(name: str) -> int:
    number = name.removeprefix("v")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise NotFound
    return int(number)
