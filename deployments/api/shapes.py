"""What an answer says of a deployment, its steps and its log lines."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from deployments.logs import Line, ansi
from deployments.models import Deployment
from deployments.pipeline import failures
from deployments.states import Kind, Status, StepStatus
from portal.api.describe import looks_like
from portal.api.links import absolute, api_link, socket_link

# Stand for the ids of a row in addresses.
ANY_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
ANY_SHORT_ID = "zzzzzzzz"


class LinksShape(serializers.Serializer[Any]):
    """Where to look next."""

    self = serializers.URLField()
    logs = serializers.URLField()
    page = serializers.URLField(help_text="For people.")
    websocket = serializers.CharField(help_text="Live steps and log lines.")


class FailureShape(serializers.Serializer[Any]):
    """Why a deployment did not go live."""

    code = serializers.CharField()
    title = serializers.CharField()
    detail = serializers.CharField()


class DeploymentShape(serializers.Serializer[Deployment]):
    """A deployment as a row of a list."""

    id = serializers.UUIDField(source="uuid")
    short_id = serializers.CharField()
    number = serializers.IntegerField(help_text="Counts per application.")
    application = serializers.CharField(source="application.name")
    application_id = serializers.UUIDField(source="application.uuid")
    environment = serializers.CharField(source="environment.name")
    instance = serializers.CharField(source="instance.name")  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=Kind.choices)
    status = serializers.ChoiceField(choices=Status.choices)
    source = serializers.CharField(  # type: ignore[assignment]
        help_text="Where it was asked for: page, admin, api, command."
    )
    requested_by = serializers.CharField(source="requested_by.username", default=None, allow_null=True)
    github_url = serializers.CharField(source="application.git_url")
    ref = serializers.CharField()
    commit = serializers.CharField()
    commit_subject = serializers.CharField()
    release = serializers.SerializerMethodField()
    url = serializers.CharField(help_text="Where it answers, once it is live.")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    duration = serializers.SerializerMethodField(help_text="Seconds from its start to its end, or to now.")
    failure = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    @looks_like(serializers.CharField(allow_null=True))
    def get_release(self, deployment: Deployment) -> str | None:
        return str(deployment.release) if deployment.release else None

    @looks_like(serializers.FloatField(allow_null=True))
    def get_duration(self, deployment: Deployment) -> float | None:
        return seconds_between(deployment.started_at, deployment.finished_at)

    @looks_like(FailureShape(allow_null=True))
    def get_failure(self, deployment: Deployment) -> dict[str, str] | None:
        if not deployment.failure_code:
            return None
        return {
            "code": deployment.failure_code,
            "title": failures.explain(deployment.failure_code).title,
            "detail": deployment.failure_detail,
        }

    @looks_like(LinksShape)
    def get_links(self, deployment: Deployment) -> dict[str, str]:
        return links_of(self.context["request"], deployment)


class StepShape(serializers.Serializer[Any]):
    """A step of the plan."""

    number = serializers.IntegerField()
    key = serializers.CharField()
    name = serializers.CharField(source="title")
    status = serializers.ChoiceField(choices=StepStatus.choices)
    message = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    duration = serializers.SerializerMethodField(help_text="Seconds.")

    @looks_like(serializers.FloatField(allow_null=True))
    def get_duration(self, step: Any) -> float | None:
        return seconds_between(step.started_at, step.finished_at)


class LineShape(serializers.Serializer[Any]):
    """A log line."""

    number = serializers.IntegerField(help_text="Counts from 1 without gaps.")
    step = serializers.IntegerField()
    at = serializers.DateTimeField()
    level = serializers.ChoiceField(choices=["info", "command", "warning", "error"])
    message = serializers.CharField()


def line_shape(line: Line, *, colours: bool = False) -> dict[str, Any]:
    """A log line; written by hand, because there may be 2,000 of them in an answer."""
    return {
        "number": line.number,
        "step": line.step,
        "at": line.at.isoformat().replace("+00:00", "Z"),
        "level": line.level,
        "message": ansi.keep_colours(line.text) if colours else ansi.strip(line.text),
    }


def links_of(request: HttpRequest | Request, deployment: Deployment) -> dict[str, str]:
    """Where to look next. A list asks for many, so the addresses are made once per request."""
    patterns = getattr(request, "_deployment_links", None)
    if patterns is None:
        patterns = _link_patterns(request)
        request._deployment_links = patterns  # type: ignore[union-attr]
    long, short = str(deployment.uuid), deployment.short_id
    return {name: url.replace(ANY_ID, long).replace(ANY_SHORT_ID, short) for name, url in patterns.items()}


def _link_patterns(request: HttpRequest | Request) -> dict[str, str]:
    example = Deployment(uuid=UUID(ANY_ID), short_id=ANY_SHORT_ID)
    return {
        "self": api_link(request, "deployment", ANY_ID),
        "logs": api_link(request, "deployment-logs", ANY_ID),
        "page": absolute(request, example.get_absolute_url()),
        "websocket": socket_link(request, f"/ws/deployments/{ANY_ID}/"),
    }


def seconds_between(start: Any, end: Any) -> float | None:
    return round(((end or timezone.now()) - start).total_seconds(), 3) if start else None
