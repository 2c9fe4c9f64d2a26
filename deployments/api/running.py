"""What runs: lines of its log, and one-off commands in its container."""

from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import queries, runtime_logs
from deployments.actions import one_off
from deployments.actions.one_off import Run
from deployments.logs import ansi
from deployments.models import Environment
from deployments.pipeline.runtimes.log_pieces import NoContainer
from deployments.runtime_logs import MOST_LINES, TAIL, Line
from instances.hosts.base import HostError
from portal.api.base import ApiView
from portal.api.describe import described, example, request_example, shown
from portal.api.fields import CappedInteger, PlainText
from portal.api.idempotency import idempotent
from portal.api.links import api_link
from portal.api.parsing import StrictSerializer
from portal.core.errors import ActionDenied, NotFound


class RunningLogQuery(StrictSerializer):
    """Which lines of what runs, and as what."""

    tail = CappedInteger(
        largest=MOST_LINES, default=TAIL, help_text=f"The last lines: {TAIL}, at most {MOST_LINES}."
    )
    since = serializers.DateTimeField(
        required=False, help_text="Only lines since this time (RFC 3339). Needs Docker, which keeps times."
    )
    search = PlainText(
        max_length=200, required=False, help_text=f"Only lines with this text, among the last {MOST_LINES}."
    )
    deployment = PlainText(
        max_length=8,
        required=False,
        help_text="Short id: the container of this deployment, also a stopped one.",
    )
    as_ = serializers.ChoiceField(choices=["json", "text"], default="json")

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        # `as` cannot be the name of a Python attribute.
        fields["as"] = fields.pop("as_")
        return fields


class RunningLineShape(serializers.Serializer[Any]):
    """One line."""

    timestamp = serializers.DateTimeField(allow_null=True, help_text="Null where the runtime keeps no times.")
    level = serializers.CharField()
    message = serializers.CharField()


class RunningLogAnswer(serializers.Serializer[Any]):
    """The end of a container's log."""

    success = serializers.BooleanField()
    environment = serializers.CharField()
    container = serializers.CharField()
    live = serializers.BooleanField()
    count = serializers.IntegerField()
    logs = RunningLineShape(many=True)


class CommandBody(StrictSerializer):
    """A command for the live container."""

    command = PlainText(max_length=one_off.COMMAND_LENGTH, help_text="Read by `sh` of the image.")


class CommandShape(serializers.Serializer[Run]):
    """A command, and how it went."""

    id = serializers.CharField()
    command = serializers.CharField(help_text="Secrets of the environment are masked.")
    container = serializers.CharField()
    by = serializers.CharField()
    started_at = serializers.DateTimeField(source="at")
    ended_at = serializers.DateTimeField(allow_null=True)
    exit_code = serializers.IntegerField(allow_null=True)
    output = serializers.CharField(help_text="Both streams, at most 64 KiB.")
    trouble = serializers.CharField(help_text="Why it was not run, or was ended; else empty.")


class CommandAnswer(serializers.Serializer[Any]):
    """A command as it is now; ask again at `url` until `ended_at` is set."""

    success = serializers.BooleanField()
    command = CommandShape()
    url = serializers.URLField()


_LINE = {"timestamp": "2026-01-31T12:00:00.123000Z", "level": "info", "message": "listening on port 8000"}
_LOG = example(
    "The end of a log",
    {
        "success": True, "environment": "dev", "container": "portal-churn-api-dev-1a2b3c4d", "live": True,
        "count": 1, "logs": [_LINE],
    })  # fmt: skip
_RUN = {
    "id": "5f0c2f9b8f1d4c3e9a7b6d5c4e3f2a1b", "command": "python manage.py migrate",
    "container": "portal-churn-api-dev-1a2b3c4d", "by": "ada", "started_at": "2026-01-31T12:00:00Z",
    "ended_at": None, "exit_code": None, "output": "", "trouble": "",
}  # fmt: skip
_RUN_URL = f"https://portal.example/api/v1/applications/churn-api/environments/dev/exec/{_RUN['id']}"
_STARTED = example("On its way", {"success": True, "command": _RUN, "url": _RUN_URL}, status="202")
_ENDED = example(
    "Ended",
    {
        "success": True,
        "command": {**_RUN, "ended_at": "2026-01-31T12:00:02Z", "exit_code": 0, "output": "OK\n"},
        "url": _RUN_URL,
    })  # fmt: skip


class RunningLog(ApiView):
    """The log of what runs in an environment."""

    parameters = {"GET": RunningLogQuery}

    @described(
        operation_id="read_running_log",
        summary="Read the log of what runs",
        description="The container's own log. The log of a deployment is at `/deployments/<id>/logs`.",
        parameters=[RunningLogQuery],
        responses={200: RunningLogAnswer, (200, "text/plain"): str},
        examples=[_LOG],
    )
    def get(self, request: Request, identifier: str, place: str) -> HttpResponseBase:
        environment = _environment(self, identifier, place)
        source = runtime_logs.source_of(environment, self.query.get("deployment", ""))
        try:
            look = runtime_logs.read_tail(
                source,
                lines=self.query["tail"],
                since=self.query.get("since"),
                text=self.query.get("search", ""),
            )
        except (HostError, NoContainer) as error:
            raise ActionDenied(runtime_logs.trouble_of(error), code="log_unreadable") from error
        if self.query["as"] == "text":
            return HttpResponse(_as_text(look.lines), content_type="text/plain; charset=utf-8")
        return Response(
            {
                "success": True,
                "environment": environment.name,
                "container": source.container,
                "live": source.is_live,
                "count": len(look.lines),
                "logs": [_line_shape(line) for line in look.lines],
            }
        )


class Commands(ApiView):
    """One-off commands in the live container."""

    @described(
        operation_id="run_command",
        summary="Run a command",
        description=(
            "Runs once in the live container, with the application's variables, for at most 60 seconds. "
            "It is carried out in a moment; ask at `url` how it went. Recorded in the audit log."
        ),
        request=CommandBody,
        responses={202: CommandAnswer},
        examples=[request_example("Migrate", {"command": "python manage.py migrate"}), _STARTED],
    )
    @idempotent
    def post(self, request: Request, identifier: str, place: str) -> Response:
        environment = _environment(self, identifier, place)
        wish = self.body(CommandBody)
        run = one_off.run_command(environment=environment, by=self.user, command=wish["command"])
        return Response(_run_body(request, environment, run), status=202)


class OneCommand(ApiView):
    """One command."""

    @described(
        operation_id="get_command",
        summary="Show a command",
        description="For those who may run commands there.",
        responses={200: CommandAnswer},
        examples=[_ENDED],
    )
    def get(self, request: Request, identifier: str, place: str, run: str) -> Response:
        environment = _environment(self, identifier, place)
        if not one_off.may_ever_run(self.user, environment):
            raise NotFound
        return Response(_run_body(request, environment, one_off.get_run(environment, run)))


def _environment(view: ApiView, identifier: str, name: str) -> Environment:
    application = queries.get_application(view.user, identifier)
    return queries.get_environment(view.user, application.name, name)


def _line_shape(line: Line) -> dict[str, Any]:
    return {
        "timestamp": line.at.isoformat().replace("+00:00", "Z") if line.at else None,
        "level": line.level,
        "message": ansi.strip(line.text),
    }


def _as_text(lines: list[Line]) -> str:
    return "".join(f"{ansi.strip(line.text)}\n" for line in lines)


def _run_body(request: Request, place: Environment, run: Run) -> dict[str, Any]:
    url = api_link(request, "application-environment-command", place.application.name, place.name, run.id)
    return {"success": True, "command": shown(CommandShape, run), "url": url}
