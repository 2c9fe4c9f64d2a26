"""The environment variables of an application's environment: names for those who may see them, no secrets."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import actions, queries, rules
from deployments.api import answers, inputs
from deployments.api.applications import environment_named
from deployments.models import Environment
from portal.api.base import ApiView
from portal.api.describe import described, example, request_example, shown, shown_all


class VariablesAnswer(serializers.Serializer[Any]):
    """The variables of one environment."""

    success = serializers.BooleanField()
    count = serializers.IntegerField()
    environment = serializers.CharField()
    variables = answers.VariableShape(many=True)
    changed = serializers.ListField(
        child=serializers.CharField(), help_text="Differ from the live release; deploy to make them so."
    )


class VariableAnswer(serializers.Serializer[Any]):
    """One variable, as it is stored now."""

    success = serializers.BooleanField()
    environment = serializers.CharField()
    variable = answers.VariableShape()


_LIST = example(
    "Variables",
    {"success": True, "count": 1, "environment": "dev", "variables": [answers.VARIABLE], "changed": []},
)
_BODY = request_example("A secret", {"environment": "dev", "key": "API_KEY", "value": "…"})
_ONE = example("Stored", {"success": True, "environment": "dev", "variable": answers.VARIABLE})


class Variables(ApiView):
    """The variables of one environment of an application."""

    parameters = {"GET": inputs.PlaceQuery, "DELETE": inputs.VariableQuery}

    @described(
        operation_id="list_variables",
        summary="List environment variables",
        parameters=[inputs.PlaceQuery],
        responses={200: VariablesAnswer},
        examples=[_LIST],
    )
    def get(self, request: Request, identifier: str) -> Response:
        environment = self._environment(identifier, self.query)
        rules.check_can_see_variables(self.user, environment)
        rows = shown_all(answers.VariableShape, environment.variables.all())
        return Response(
            {
                "success": True,
                "count": len(rows),
                "environment": environment.name,
                "variables": rows,
                "changed": queries.changed_variables(environment),
            }
        )

    @described(
        operation_id="set_variable",
        summary="Set an environment variable",
        description="It reaches the application with the next deployment.",
        request=inputs.VariableBody,
        responses={200: VariableAnswer},
        examples=[_BODY, _ONE],
    )
    def put(self, request: Request, identifier: str) -> Response:
        wish = self.body(inputs.VariableBody)
        environment = self._environment(identifier, wish, in_query=False)
        variable = actions.set_variable(
            environment=environment, by=self.user, key=wish["key"], value=wish["value"], secret=wish["secret"]
        )
        body = shown(answers.VariableShape, variable)
        return Response({"success": True, "environment": environment.name, "variable": body})

    @described(
        operation_id="remove_variable",
        summary="Remove an environment variable",
        parameters=[inputs.VariableQuery],
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, identifier: str) -> Response:
        environment = self._environment(identifier, self.query)
        actions.remove_variable(environment=environment, by=self.user, key=self.query["key"])
        return Response(status=204)

    def _environment(self, identifier: str, wish: dict[str, Any], *, in_query: bool = True) -> Environment:
        application = queries.get_application(self.user, identifier)
        return environment_named(self.user, application, wish.get("environment") or "", in_query=in_query)
