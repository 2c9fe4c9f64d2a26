"""Applications: what there is, how it is built and run, stopping and starting it."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import actions, listing, queries
from deployments.api import answers, inputs, shapes
from deployments.api.application_shapes import (
    APPLICATION_EXAMPLE,
    APPLICATION_FIELDS_EXAMPLE,
    APPLICATIONS,
    APPLICATIONS_EXAMPLE,
    CREATED_EXAMPLE,
    NEW_APPLICATION_EXAMPLE,
    OPERATED_EXAMPLE,
    WORST_FIRST,
    ApplicationAnswer,
    ApplicationDetail,
    ApplicationShape,
    Operated,
)
from deployments.models import Application, Environment
from deployments.states import Health
from portal.api.base import ApiView
from portal.api.describe import described, post_described, request_example, shown, shown_all
from portal.api.idempotency import idempotent
from portal.api.links import api_link
from portal.api.paging import list_answer, page_by_number
from portal.api.parsing import QueryInvalid
from portal.core import access
from portal.core.models import Team, User

RECENT = 10
OLDER_WORDS = {"active": Health.HEALTHY, "pending": Health.NOTHING, "failed": Health.UNHEALTHY}


class Applications(ApiView):
    """All applications that one may see; a new one with POST."""

    parameters = {"GET": inputs.ApplicationsQuery}

    @described(
        operation_id="list_applications",
        summary="List applications",
        parameters=[inputs.ApplicationsQuery],
        responses={200: APPLICATIONS},
        examples=[APPLICATIONS_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        rows = with_environments(queries.search_applications(self.user, self.query.get("q", "")))
        if "status" in self.query:
            rows = _of_health(rows, self.query["status"])
        page = page_by_number(rows.order_by("name"), self.query)
        items = shown_all(ApplicationShape, page.rows, request)
        return list_answer(request, "applications", items, page)

    @described(
        operation_id="create_application",
        summary="Register a repository as an application",
        request=inputs.NewApplication,
        responses={201: ApplicationAnswer},
        examples=[NEW_APPLICATION_EXAMPLE, CREATED_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        fields = self.body(inputs.NewApplication)
        team = _team_named(fields.pop("team", ""), self.user)
        application = actions.create_application(by=self.user, team=team, **fields)
        response = _detail(request, self.user, application)
        response.status_code = 201
        response["Location"] = api_link(request, "application", application.name)
        return response


class OneApplication(ApiView):
    """An application with its environments and its ten newest deployments."""

    parameters = {"DELETE": inputs.DeleteQuery}

    @described(
        operation_id="get_application",
        summary="Show an application",
        responses={200: ApplicationAnswer},
        examples=[APPLICATION_EXAMPLE],
    )
    def get(self, request: Request, identifier: str) -> Response:
        return _detail(request, self.user, queries.get_application(self.user, identifier))

    @described(
        operation_id="change_application",
        summary="Change some fields of an application",
        request=inputs.ApplicationFields,
        responses={200: ApplicationAnswer},
        examples=[APPLICATION_FIELDS_EXAMPLE, APPLICATION_EXAMPLE],
    )
    def patch(self, request: Request, identifier: str) -> Response:
        return self._update(request, identifier, partial=True)

    @described(
        operation_id="replace_application",
        summary="Set all fields of an application",
        description="Fields left out get their defaults; stored credentials stay unless they are sent.",
        request=inputs.ApplicationFields,
        responses={200: ApplicationAnswer},
        examples=[APPLICATION_FIELDS_EXAMPLE, APPLICATION_EXAMPLE],
    )
    def put(self, request: Request, identifier: str) -> Response:
        return self._update(request, identifier, partial=False)

    @described(
        operation_id="delete_application",
        summary="Delete an application",
        parameters=[inputs.DeleteQuery],
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, identifier: str) -> Response:
        application = queries.get_application(self.user, identifier)
        actions.delete_application(application=application, by=self.user, force=self.query["force"])
        return Response(status=204)

    def _update(self, request: Request, identifier: str, *, partial: bool) -> Response:
        fields = self.body(inputs.ApplicationFields, partial=partial)
        application = queries.get_application(self.user, identifier)
        actions.update_application(application=application, by=self.user, **fields)
        return _detail(request, self.user, application)


class Operation(ApiView):
    """Stopping, starting or restarting what runs; each subclass names its action."""

    operation: ClassVar[Callable[..., Environment]]

    @idempotent
    def post(self, request: Request, identifier: str) -> Response:
        wish = self.body(inputs.PlaceBody)
        application = queries.get_application(self.user, identifier)
        environment = environment_named(self.user, application, wish.get("environment") or "")
        type(self).operation(environment=environment, by=self.user)
        body = {"success": True, "environment": shown(answers.EnvironmentShape, environment)}
        return Response(body, status=202)


def _operation(operation_id: str, summary: str) -> Any:
    return post_described(
        operation_id=operation_id,
        summary=summary,
        request=inputs.PlaceBody,
        responses={202: Operated},
        examples=[request_example("One of several", {"environment": "dev"}), OPERATED_EXAMPLE],
    )


@_operation("start_application", "Start what was stopped")
class StartIt(Operation):
    """Start what was stopped."""

    operation = actions.start_environment


@_operation("stop_application", "Stop what runs")
class StopIt(Operation):
    """Stop what runs."""

    operation = actions.stop_environment


@_operation("restart_application", "Stop and start what runs")
class RestartIt(Operation):
    """Stop and start what runs."""

    operation = actions.restart_environment


def environment_named(
    user: User, application: Application, name: str, *, in_query: bool = False
) -> Environment:
    """The environment of that name; without a name the only one."""
    places = list(queries.visible_environments(user).filter(application=application).order_by("name"))
    found = [place for place in places if place.name == name] if name else places
    if len(found) == 1:
        return found[0]
    names = ", ".join(place.name for place in places) or "none yet"
    kind = QueryInvalid if in_query else ValidationError
    raise kind({"environment": [f"Name one of the environments of {application.name}: {names}."]})


def with_environments(rows: QuerySet[Application]) -> QuerySet[Application]:
    """Read the environments of all rows in one more query."""
    places = Environment.objects.select_related("instance", "live_release").order_by("name")
    return rows.prefetch_related(Prefetch("environments", queryset=places))


def _detail(request: Request, user: User, application: Application) -> Response:
    fresh = with_environments(queries.visible_applications(user)).get(pk=application.pk)
    newest = listing.candidates(user, application=str(fresh.uuid)).order_by("-id")[:RECENT]
    recent = listing.in_full(list(newest.values_list("id", flat=True)))
    return Response(
        {
            "success": True,
            "application": shown(ApplicationDetail, fresh, request),
            "recent_deployments": shown_all(shapes.DeploymentShape, recent, request),
        }
    )


def _of_health(rows: QuerySet[Application], word: str) -> QuerySet[Application]:
    """Applications whose worst environment has this health."""
    wanted = OLDER_WORDS.get(word) or next((health for health in WORST_FIRST if health == word), None)
    if wanted is None:
        raise QueryInvalid({"status": [f"One of {', '.join(WORST_FIRST)}."]})
    places = Environment.objects.filter(application=OuterRef("pk"))
    worse = WORST_FIRST[: WORST_FIRST.index(wanted)]
    rows = rows.exclude(Exists(places.filter(health__in=worse)))
    return rows if wanted == Health.NOTHING else rows.filter(Exists(places.filter(health=wanted)))


def _team_named(slug: str, user: User) -> Team:
    teams = access.teams_with(user, "application.edit").order_by("id")
    team = teams.filter(slug=slug).first() if slug else teams.first()
    if team is None:
        raise ValidationError({"team": ["Name a team in which you may make applications."]})
    return team
