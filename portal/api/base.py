"""The view that all endpoints extend: strict input, JSON only, one shape of answer."""

from typing import Any, ClassVar, cast

from django.http import HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.api.parsing import LengthRequired, NoBody, NoQuery, StrictSerializer, read_body, read_query
from portal.core.models import User


class JsonAlways(BaseContentNegotiation):
    """Answers JSON whatever is asked for; a browser that opens an address sees JSON too."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        wanted = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == wanted), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """One resource. Subclasses declare the query parameters per method; unknown ones are refused."""

    content_negotiation_class = JsonAlways
    metadata_class = None
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]  # noqa: RUF012
    # The scope a token needs, where it is not `read` for looking and `deploy` for changing.
    scopes: ClassVar[dict[str, str]] = {}
    parameters: ClassVar[dict[str, type[StrictSerializer]]] = {}
    query: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method not in self.allowed_methods:
            return  # It is refused next, whatever its parameters are.
        self.query = read_query(request.query_params, self.parameters.get(request.method or "", NoQuery))
        if "chunked" in request.headers.get("Transfer-Encoding", "").lower() and not request.META.get(
            "CONTENT_LENGTH"
        ):
            raise LengthRequired

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Any:
        final = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]
        final.headers.setdefault("Cache-Control", "no-store")
        return final

    @property
    def user(self) -> User:
        """Who asks; permissions let only signed-in people through."""
        return cast(User, self.request.user)

    def body(self, kind: type[StrictSerializer] = NoBody, *, partial: bool = False) -> dict[str, Any]:
        """The fields of the request's body."""
        return read_body(self.request.data, kind, partial=partial)
