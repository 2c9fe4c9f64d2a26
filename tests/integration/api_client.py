"""A client of the API as tests want it: a token in the header, JSON both ways."""

import json
import uuid
from typing import Any

from django.test import Client

from deployments.models import Deployment, Environment
from portal.core import tokens
from portal.core.models import User


class ApiClient:
    """Calls the API with the token of a person."""

    def __init__(self, user: User | None, *scopes: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers: dict[str, str] = {}
        if user is not None:
            _, secret = tokens.create(user=user, name="tests", scopes=scopes or ("deploy",), by=user)
            self.headers["Authorization"] = f"Bearer {secret.reveal()}"

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, query, headers=self.headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Any method with a JSON body; a str or bytes body is sent as it is."""
        raw = body if isinstance(body, str | bytes) else b"" if body is None else json.dumps(body)
        kind = headers.pop("content_type", "application/json")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(
            method, path, raw, content_type=kind if raw else "", headers={**self.headers, **named}
        )

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, body, **headers)


def is_problem(response: Any, status: int) -> dict[str, Any]:
    """Hold an error against the one shape that all have; return it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["error"] == body["detail"] != ""
    assert {"type", "title", "instance", "code", "errors", "request_id"} <= set(body)
    assert body["request_id"] == response["X-Request-ID"]
    assert "Traceback" not in response.content.decode()
    return body


def many_deployments(place: Environment, count: int, **fields: Any) -> list[Deployment]:
    """Rows without steps, in one statement."""
    ids = [uuid.uuid4() for _ in range(count)]
    first = place.application.last_number + 1
    common = {"application": place.application, "environment": place, "instance": place.instance} | fields
    place.application.last_number += count
    place.application.save()
    return Deployment.objects.bulk_create(
        Deployment(
            uuid=key, short_id=key.hex[:8], number=number, **({"source": "api", "status": "failed"} | common)
        )
        for number, key in enumerate(ids, start=first)
    )
