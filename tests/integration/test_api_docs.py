"""The API's description is true: the file is current, the examples fit, the lines of the guide run."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.test import Client

from portal.api.portal_views import openapi
from portal.core import tokens
from tests import factories
from tests.integration.api_client import ApiClient

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/api.md"
FILE = ROOT / "docs/openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi())
    return found


def operations(document: dict[str, Any]) -> list[Any]:
    return [
        pytest.param(operation, id=operation["operationId"])
        for methods in document["paths"].values()
        for operation in methods.values()
    ]


ALL = operations(json.loads(FILE.read_text()))


def test_the_file_is_what_the_code_describes(document: dict[str, Any]) -> None:
    assert document == json.loads(FILE.read_text()), (
        "Run: manage.py spectacular --format openapi-json --file docs/openapi.json"
    )


def test_every_address_stands_there_once_without_a_last_slash(document: dict[str, Any]) -> None:
    assert all(path.startswith("/api/v1/") and not path.endswith("/") for path in document["paths"])
    assert len(document["paths"]) >= 16


@pytest.mark.parametrize("operation", ALL)
def test_every_operation_has_an_example_and_names_its_refusals(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    assert {"400", "401", "403", "404", "405", "429", "500"} <= set(responses)
    good = [answer for status, answer in responses.items() if status.startswith("2")]
    assert good
    assert any("examples" in kind for answer in good for kind in answer.get("content", {}).values()) or (
        "204" in responses
    )
    if "requestBody" in operation:
        assert operation["requestBody"]["content"]["application/json"]["examples"]
        assert {"413", "415"} <= set(responses)


@pytest.mark.parametrize("operation", ALL)
def test_every_example_fits_its_form(document: dict[str, Any], operation: dict[str, Any]) -> None:
    places = [*operation["responses"].values(), operation.get("requestBody", {})]
    for place in places:
        content = place.get("content", {}).get("application/json", {})
        for shown in content.get("examples", {}).values():
            schema = {**_nullable(content["schema"]), "components": _nullable(document["components"])}
            jsonschema.validate(shown["value"], schema)


@pytest.mark.django_db
def test_the_description_is_for_signed_in_people(client: Client) -> None:
    assert client.get("/api/schema").status_code == 401
    assert client.get("/docs").status_code == 302
    api = ApiClient(factories.user())
    assert api.get("/api/schema").json()["openapi"].startswith("3.")


def test_the_guide_names_every_scope() -> None:
    assert all(f"| `{scope}` |" in GUIDE.read_text() for scope in tokens.SCOPES)


@pytest.mark.django_db(transaction=True)
def test_the_lines_of_the_guide_run(live_server: Any, tmp_path: Path) -> None:
    ada = factories.user("ada")
    _, secret = tokens.create(user=ada, name="guide", scopes=["deploy"], by=ada)
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    script = "\n".join(block for block in blocks if "manage.py token" not in block)
    assert script.count("curl") >= 12
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        env={"PATH": os.environ["PATH"], "PORTAL": live_server.url, "TOKEN": secret.reveal()},
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def _nullable(schema: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema has a type of null."""
    if isinstance(schema, list):
        return [_nullable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _nullable(part) for key, part in schema.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain
