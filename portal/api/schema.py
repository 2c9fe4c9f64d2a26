"""The description of the API: what the generator cannot see in the views is added here."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from portal.api.routes import IDENTIFIER

# Refusals that any operation may answer with; others are added by what the operation does.
ALWAYS = ("400", "401", "403", "404", "405", "429", "500", "503")
WITH_BODY = ("411", "413", "415")
WHEN_CHANGING = ("409",)
TITLES = {
    "400": "The input was refused; `errors` names each field.",
    "401": "No token or session, or one that does not work.",
    "403": "The token's scope or its owner's role does not allow it.",
    "404": "It is not there, or not for you.",
    "405": "The address does not know this method.",
    "409": "It cannot be done now, or the Idempotency-Key was used for another request.",
    "411": "The header Content-Length is missing.",
    "413": "The body is larger than 1 MiB.",
    "415": "The body is not JSON in UTF-8.",
    "429": "Too many requests; `Retry-After` says when to go on.",
    "500": "Something broke; the portal's log has the cause under the `request_id`.",
    "503": "A part of the portal does not answer; `Retry-After` says when to try again.",
}
PROBLEM = {
    "type": "object",
    "description": "What went wrong, after RFC 9457.",
    "required": ["type", "title", "status", "detail", "instance", "code", "errors", "request_id", "error"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "JSON pointer into the body; `?name` for a query parameter.",
                    },
                    "detail": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
        "success": {"type": "boolean", "enum": [False]},
        "error": {"type": "string", "description": "The same as `detail`, for older clients."},
    },
}
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "The same key and body within 24 hours get the same answer, and nothing happens twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

Endpoint = tuple[str, str, str, Any]


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[misc]
    """How a token is sent."""

    target_class = "portal.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "portal_<id>_<secret>",
            "description": "Made on the tokens page or with `manage.py token create`.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[misc]
    """The session of a signed-in browser."""

    target_class = "portal.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        from django.conf import settings

        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


def only_versioned(endpoints: Iterable[Endpoint], **_: Any) -> list[Endpoint]:
    """Describe each operation once, under /api/v1/ and without the optional slash."""
    return [
        (_tidy(path), regex, method, callback)
        for path, regex, method, callback in endpoints
        if path.startswith("/api/v1/") and not getattr(callback.cls, "is_fallback", False)
    ]


def add_problems(result: dict[str, Any], generator: Any, **_: Any) -> dict[str, Any]:
    """Every operation may answer with a problem; say so once, in one shape."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    result["components"]["responses"] = {
        f"Problem{status}": _problem_response(status, title) for status, title in TITLES.items()
    }
    for methods in result["paths"].values():
        for method, operation in methods.items():
            _add_to(method, operation)
            _be_strict(operation, result["components"]["schemas"])
    return result


def _add_to(method: str, operation: dict[str, Any]) -> None:
    statuses = [*ALWAYS]
    if method != "get":
        statuses += [*WHEN_CHANGING, *WITH_BODY]
    for status in statuses:
        own = operation["responses"].get(status)
        if own is None:
            operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}
        else:
            own["content"] |= _problem_response(status, TITLES[status])["content"]
    if method == "post":
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)


def _be_strict(operation: dict[str, Any], forms: dict[str, Any]) -> None:
    """Say that unknown fields are refused, and what an identifier may look like."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in body:
        forms[body["$ref"].rpartition("/")[2]]["additionalProperties"] = False
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            parameter["schema"] = {"type": "string", "pattern": f"^{IDENTIFIER}$"}


def _problem_response(status: str, title: str) -> dict[str, Any]:
    from portal.api.errors import problem

    example = problem(
        status=int(status), detail=title, code="code_of_the_refusal", path="/api/v1/deployments"
    )
    return {
        "description": title,
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": {**example, "request_id": "7b0f6a0e4d3c4a5b8f7e"},
            }
        },
    }


def _tidy(path: str) -> str:
    return path.rstrip("/")
