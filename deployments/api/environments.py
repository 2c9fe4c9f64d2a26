"""The environments of an application: where each is, and how it is reached."""

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import actions, queries
from deployments.api import answers, environment_shapes
from deployments.api.environment_shapes import EnvironmentAnswer, EnvironmentFields, NewEnvironment
from deployments.models import Environment
from instances.actions import ensure_local_instance
from instances.models import Instance
from instances.queries import get_instance
from portal.api.base import ApiView
from portal.api.describe import described, shown, shown_all
from portal.api.idempotency import idempotent
from portal.api.links import api_link
from portal.api.paging import PageQuery, list_answer, page_by_number
from portal.core.errors import Invalid, NotFound
from portal.core.models import User

# The words of the actions, where they are not those of the request.
WORDS = {"target": "instance", "host_port": "public_port"}


class Environments(ApiView):
    """The environments of one application; a new one with POST."""

    parameters = {"GET": PageQuery}

    @described(
        operation_id="list_environments",
        summary="List the environments of an application",
        parameters=[PageQuery],
        responses={200: environment_shapes.ENVIRONMENTS},
        examples=[environment_shapes.ENVIRONMENTS_EXAMPLE],
    )
    def get(self, request: Request, identifier: str) -> Response:
        application = queries.get_application(self.user, identifier)
        rows = queries.visible_environments(self.user).filter(application=application).order_by("name")
        page = page_by_number(rows, self.query)
        items = shown_all(answers.EnvironmentShape, page.rows, request)
        return list_answer(request, "environments", items, page)

    @described(
        operation_id="create_environment",
        summary="Give an application one more place",
        request=NewEnvironment,
        responses={201: EnvironmentAnswer},
        examples=[environment_shapes.NEW_EXAMPLE, environment_shapes.CREATED_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, identifier: str) -> Response:
        wish = self.body(NewEnvironment)
        application = queries.get_application(self.user, identifier)
        wish["instance"] = _instance(wish, self.user) or ensure_local_instance()
        try:
            made = actions.create_environment(application=application, by=self.user, **wish)
        except Invalid as refusal:
            raise _in_our_words(refusal) from None
        response = _answer(made, status=201)
        response["Location"] = api_link(request, "application-environment", application.name, made.name)
        return response


class OneEnvironment(ApiView):
    """One environment of an application."""

    @described(
        operation_id="get_environment",
        summary="Show an environment",
        responses={200: EnvironmentAnswer},
        examples=[environment_shapes.ENVIRONMENT_EXAMPLE],
    )
    def get(self, request: Request, identifier: str, place: str) -> Response:
        return _answer(self._found(identifier, place))

    @described(
        operation_id="change_environment",
        summary="Change some fields of an environment",
        description="It takes effect with the next deployment.",
        request=EnvironmentFields,
        responses={200: EnvironmentAnswer},
        examples=[environment_shapes.FIELDS_EXAMPLE, environment_shapes.ENVIRONMENT_EXAMPLE],
    )
    def patch(self, request: Request, identifier: str, place: str) -> Response:
        wish = self.body(EnvironmentFields, partial=True)
        environment = self._found(identifier, place)
        wish["instance"] = _instance(wish, self.user)
        try:
            changed = actions.update_environment(environment=environment, by=self.user, **wish)
        except Invalid as refusal:
            raise _in_our_words(refusal) from None
        return _answer(changed)

    def _found(self, identifier: str, place: str) -> Environment:
        application = queries.get_application(self.user, identifier)
        return queries.get_environment(self.user, application.name, place)


def _answer(environment: Environment, status: int = 200) -> Response:
    body = {"success": True, "environment": shown(answers.EnvironmentShape, environment)}
    return Response(body, status=status)


def _instance(wish: dict[str, Any], user: User) -> Instance | None:
    name = wish.pop("instance", None)
    if name is None:
        return None
    try:
        return get_instance(user, name)
    except NotFound:
        raise ValidationError({"instance": [f"There is no instance named {name}."]}) from None


def _in_our_words(refusal: Invalid) -> ValidationError:
    return ValidationError({WORDS.get(field, field): texts for field, texts in refusal.message_dict.items()})
