"""One shape for every error: RFC 9457 problem details, with an `error` text for older clients."""

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.encoding import escape_uri_path
from rest_framework import exceptions
from rest_framework.response import Response

from portal.api.parsing import QueryInvalid, TooLarge
from portal.core.errors import ActionDenied, NotFound
from portal.core.logcontext import request_id
from portal.core.states import WrongState

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
NOT_FOUND = "There is nothing here, or nothing that you may see."
BROKEN = "Something broke in the portal. The log has the cause under this request_id."

Pointers = list[dict[str, str]]


def problem(
    *, status: int, detail: str, code: str, path: str, errors: Pointers | None = None
) -> dict[str, Any]:
    """The body of an error."""
    return {
        "type": f"/docs#problem-{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": escape_uri_path(path),
        "code": code,
        "errors": errors or [],
        "request_id": request_id.get(),
        "success": False,
        "error": detail,
    }


def problem_page(
    request: HttpRequest, *, status: int, detail: str, code: str, headers: Mapping[str, str] | None = None
) -> JsonResponse:
    """The same as a plain Django response, for the handlers outside the API's views."""
    body = problem(status=status, detail=detail, code=code, path=request.path)
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE, headers=dict(headers or {}))


def not_found(request: HttpRequest) -> JsonResponse:
    return problem_page(request, status=404, detail=NOT_FOUND, code="not_found")


def forbidden(request: HttpRequest) -> JsonResponse:
    return problem_page(request, status=403, detail="You may not do this.", code="permission_denied")


def server_error(request: HttpRequest) -> JsonResponse:
    return problem_page(request, status=500, detail=BROKEN, code="server_error")


def bad_request(request: HttpRequest) -> JsonResponse:
    return problem_page(request, status=400, detail="The request cannot be read.", code="bad_request")


def problem_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """Turn whatever a view raised into a problem; what nobody foresaw becomes a 500 and is logged."""
    request: HttpRequest = context["request"]
    known = _as_api_exception(error)
    if known.status_code >= 500:
        logger.error("%s %s failed", request.method, request.path, exc_info=error)
    pointers = list(_pointers(known)) if isinstance(known, exceptions.ValidationError) else []
    body = problem(
        status=known.status_code,
        detail=_summary(pointers) if pointers else str(known.detail),
        code=_code(known),
        path=request.path,
        errors=pointers,
    )
    return Response(body, status=known.status_code, headers=_headers(known), content_type=MEDIA_TYPE)


class Conflict(exceptions.APIException):
    """It cannot be done now."""

    status_code = 409
    default_code = "conflict"


class Unavailable(exceptions.APIException):
    """A part that the portal needs does not answer at the moment."""

    status_code = 503
    default_detail = "The database is busy. Try again in a moment."
    default_code = "unavailable"
    wait = 2


class Broken(exceptions.APIException):
    """Something that nobody foresaw."""

    default_detail = BROKEN
    default_code = "server_error"


def _as_api_exception(error: Exception) -> exceptions.APIException:  # noqa: C901 - one line per kind
    match error:
        case exceptions.APIException():
            return error
        case NotFound() | Http404():
            return exceptions.NotFound(NOT_FOUND)
        case ActionDenied(forbidden=True):
            return exceptions.PermissionDenied(error.message, code=error.code)
        case ActionDenied():
            return Conflict(error.message, code=error.code)
        case WrongState():
            return Conflict("It has changed meanwhile. Look again.", code="wrong_state")
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case DjangoValidationError():
            return exceptions.ValidationError(_by_field(error))
        case RequestDataTooBig():
            return TooLarge()
        case SuspiciousOperation():
            return exceptions.ParseError("The request cannot be read.")
        case OperationalError():
            return Unavailable()
    return Broken()


def _by_field(error: DjangoValidationError) -> Any:
    return error.message_dict if hasattr(error, "error_dict") else error.messages


def _code(error: exceptions.APIException) -> str:
    if isinstance(error, exceptions.ValidationError):
        return "invalid_query" if isinstance(error, QueryInvalid) else "invalid"
    code = error.get_codes()
    return code if isinstance(code, str) else error.default_code


def _pointers(error: exceptions.ValidationError) -> Iterator[dict[str, str]]:
    """Each refused field with its JSON pointer; query parameters as `?name`."""
    for path, sentence in _leaves(error.detail):
        if isinstance(error, QueryInvalid):
            yield {"pointer": f"?{'.'.join(path)}", "detail": sentence}
        else:
            yield {"pointer": "".join(f"/{_escaped(part)}" for part in path), "detail": sentence}


def _leaves(detail: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            whole = name in ("non_field_errors", "__all__")
            yield from _leaves(inner, path if whole else (*path, str(name)))
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from _leaves(inner, (*path, str(index)) if nested else path)
    else:
        yield path, str(detail)


def _escaped(part: str) -> str:
    return part[:80].replace("~", "~0").replace("/", "~1")


def _summary(pointers: Pointers) -> str:
    """All refusals in one line; for people who read only the text."""
    parts = [f"{entry['pointer'].lstrip('/?') or 'body'}: {entry['detail']}" for entry in pointers[:10]]
    more = len(pointers) - len(parts)
    return " ".join(parts) + (f" And {more} more." if more else "")


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers
