"""Endpoints of the portal itself: its configuration, its description, and what is not there."""

from functools import lru_cache
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.base import ApiView
from portal.api.describe import described, example
from portal.api.errors import NOT_FOUND


class ValidateAnswer(serializers.Serializer[Any]):
    """Whether everything that the portal needs is there."""

    valid = serializers.BooleanField()
    errors = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]


_VALID = example("All is well", {"valid": True, "errors": []})


class ValidateConfig(ApiView):
    """Everything that is wrong with the portal's configuration and surroundings."""

    @described(
        operation_id="validate_config",
        summary="Check the portal's configuration",
        description="For staff. What is wrong comes as a 400 with one sentence for each fault.",
        responses={200: ValidateAnswer, 400: ValidateAnswer},
        examples=[_VALID],
    )
    def get(self, request: Request) -> Response:
        if not (self.user.is_staff or self.user.is_superuser):
            raise PermissionDenied("Only staff may check the portal's configuration.", code="role_missing")
        # Its questions need much that the rest of the API does not.
        from portal import doctor

        broken = [check for check in doctor.run() if not check.ok]
        errors = [f"{check.name}: {check.detail} {check.fix}".strip() for check in broken]
        return Response({"valid": not errors, "errors": errors}, status=400 if errors else 200)


class SchemaView(ApiView):
    """The description of the API as OpenAPI."""

    @described(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        response = HttpResponse(openapi(), content_type="application/vnd.oai.openapi+json")
        response["Content-Disposition"] = 'inline; filename="portal.json"'
        return response


class UnknownAddress(ApiView):
    """Whatever else is asked for below /api/: nothing, said in the shape of all errors."""

    permission_classes = (AllowAny,)
    is_fallback = True

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.perform_authentication(request)
        self.check_throttles(request)
        raise NotFound(NOT_FOUND)

    @described(exclude=True)
    def get(self, request: Request, *args: Any) -> Response:
        raise NotFound(NOT_FOUND)


class _Swagger(SpectacularSwaggerSplitView):  # type: ignore[misc]
    """Swagger UI from our own files; page and script apart, as the content policy wants it."""

    url_name = "api:schema"
    template_name = "portal/api_docs.html"
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()


_swagger = _Swagger.as_view()


@login_required
def docs(request: HttpRequest) -> HttpResponseBase:
    """The API's description to read and try out, for signed-in people."""
    response: HttpResponseBase = _swagger(request)
    return response


@lru_cache(maxsize=1)
def openapi() -> bytes:
    """The description of the API; the code does not change while it runs."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    text: bytes = OpenApiJsonRenderer().render(document, renderer_context={})
    return text + b"\n"
