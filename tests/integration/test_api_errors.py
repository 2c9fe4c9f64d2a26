"""Errors have one shape, and input has one meaning or is refused."""

import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from deployments.models import Application, Deployment
from portal.core.models import User
from tests import factories
from tests.integration.api_client import ApiClient, is_problem, many_deployments

pytestmark = pytest.mark.django_db
LIST = "/api/v1/deployments"


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


@pytest.fixture
def api(ada: User) -> ApiClient:
    return ApiClient(ada)


@pytest.mark.parametrize("door", ["/api/v1/", "/api/"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("noun", ["deployments", "applications", "instances", "stats"])
def test_every_address_has_two_doors_and_an_optional_slash(
    api: ApiClient, door: str, slash: str, noun: str
) -> None:
    assert api.get(f"{door}{noun}{slash}").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v2/deployments",
        "/api/nothing",
        "/api/v1/deployments//",
        "/api/v1/deployments/a/b/c",
        "/api/v1/deployments/%00",
        "/api/v1/deployments/a%2F..%2Fb",
        "/api/v1/deployments/%F0%28%8C%28",
        "/api/v1/deployments/..",
        "/api/v1/deployments/%0Ax",
        "/api/v1/deployments/" + "a" * 5000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_addresses_answer_like_any_error(api: ApiClient, path: str, method: str) -> None:
    is_problem(api.send(method, path), 404)


def test_a_stranger_is_asked_who_he_is(client: Client) -> None:
    response = client.get(LIST)
    assert is_problem(response, 401)["code"] == "not_authenticated"
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"])
def test_a_wrong_method_is_told_the_right_ones(api: ApiClient, method: str) -> None:
    response = api.send(method, LIST)
    is_problem(response, 405)
    assert "GET" in response["Allow"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("github_url=x", "application/x-www-form-urlencoded"),
        ("--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        ("{}", "text/plain"),
        ("{}", "text/json"),
        ("{}", "application/jsonp"),
        ("{}", "application/json; charset=utf-16"),
        ("{}", "application/json; charset=latin-1"),
        ("<a/>", "application/xml"),
        ("{}", "*/*"),
        ("{}", "application/*"),
    ],
)
def test_only_json_in_utf8_is_read(api: ApiClient, body: str, kind: str) -> None:
    is_problem(api.post(LIST, body, content_type=kind), 415)


def test_a_compressed_body_is_not_read(api: ApiClient) -> None:
    is_problem(api.post(LIST, "{}", Content_Encoding="gzip"), 415)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"])
def test_json_is_read_however_it_is_announced(api: ApiClient, kind: str) -> None:
    problem = is_problem(api.post(LIST, "{}", content_type=kind), 400)
    assert problem["errors"][0]["pointer"] == "/github_url"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "nonsense",
        "{'a': 1}",
        '{"github_url": "x",}',
        '{"github_url": "x"} trailing',
        '{"github_url": "https://github.com/a/b", "github_url": "https://github.com/c/d"}',
        '{"container_port": NaN}',
        '{"container_port": Infinity}',
        '{"container_port": -Infinity}',
        '{"container_port": 1e999}',
        '{"container_port": ' + "9" * 5000 + "}",
        "[" * 100_000,
        "[" * 21 + "]" * 21,
        '{"a":' * 30 + "1" + "}" * 30,
        '{"github_url": "\\ud800"}',
        '{"\\udfff": 1}',
        b'{"github_url": "\xff"}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        "[]",
        '"text"',
        "1",
        "true",
        "null",
        '[{"github_url": "https://github.com/a/b"}]',
    ],
)
def test_a_body_that_is_not_one_clear_object_is_refused(api: ApiClient, body: str | bytes) -> None:
    response = api.send("POST", LIST, body) if body else api.post(LIST, " ")
    is_problem(response, 400)
    assert not Application.objects.exists()


def test_a_body_over_a_megabyte_is_too_large(api: ApiClient) -> None:
    is_problem(api.post(LIST, json.dumps({"github_url": "x" * (1 << 20)})), 413)


def test_unknown_fields_are_named(api: ApiClient) -> None:
    problem = is_problem(api.post(LIST, {"github_url": "https://github.com/a/b", "gti": 1, "x/y": 2}), 400)
    assert {entry["pointer"] for entry in problem["errors"]} == {"/gti", "/x~1y"}
    assert "gti" in problem["error"]
    assert not Deployment.objects.exists()


def test_all_refused_fields_are_named_at_once(api: ApiClient) -> None:
    body = {"container_port": 0, "host_port": "443", "branch": 7, "env": {"A": 1}}
    problem = is_problem(api.post(LIST, body), 400)
    pointers = {entry["pointer"] for entry in problem["errors"]}
    assert pointers == {"/container_port", "/host_port", "/branch", "/env/A"}
    assert problem["code"] == "invalid"


@pytest.mark.parametrize(
    "query",
    [
        "?unknown=1",
        "?limit=0",
        "?limit=-1",
        "?limit=1.0",
        "?limit=1_0",
        "?limit=+1",
        "?limit=%201",
        "?limit=1e2",
        "?limit=0x10",
        "?limit=",
        "?limit=ten",
        "?limit=%D9%A3",
        "?limit=9999999999",
        "?limit=99999999999999999999999999",
        "?limit=1&limit=2",
        "?limit=1;drop%20table",
        "?limit=1%00",
        "?limit[]=1",
        "?limit=1&page_size=2",
        "?page=0",
        "?page=-1",
        "?page=99999999999",
        "?page=1&after=00000000-0000-0000-0000-000000000000",
        "?offset=1",
        "?skip=1",
        "?after=1",
        "?after=x'%20OR%201=1",
        "?ordering=password",
        "?ordering=requested_by__password",
        "?ordering=-created,id",
        "?status=burning",
        "?status=",
        "?fields=digest",
        "?requested_by__password__startswith=a",
        "?created_after=yesterday",
        "?application=%00",
        "?application=" + "a" * 81,
        "?format=api",
        "?format=json",
        "?%00=1",
        "?=1",
    ],
)
def test_query_parameters_are_known_and_plain_or_refused(api: ApiClient, query: str) -> None:
    problem = is_problem(api.client.get(LIST + query, headers=api.headers), 400)
    assert problem["code"] == "invalid_query"
    assert problem["errors"][0]["pointer"].startswith("?")


@pytest.mark.parametrize("query", ["?" + "&".join(f"a{n}=1" for n in range(2000)), "?a=" + "b" * 60_000])
def test_a_flood_of_parameters_is_refused(api: ApiClient, query: str) -> None:
    assert api.client.get(LIST + query, headers=api.headers).status_code == 400


@pytest.mark.parametrize(
    "query",
    ["", "?limit=1", "?limit=200", "?limit=201", "?limit=100000000", "?page=1", "?page_size=7", "?status=failed",
     "?status=success", "?app_id=x", "?application=x&environment=dev", "?env=dev", "?ordering=created",
     "?created_after=2026-01-01T00:00:00Z"],
)  # fmt: skip
def test_known_parameters_are_understood(api: ApiClient, query: str) -> None:
    response = api.client.get(LIST + query, headers=api.headers)
    assert response.status_code == 200, response.content


def test_a_page_is_never_larger_than_the_largest(api: ApiClient, ada: User) -> None:
    place = factories.environment(factories.application(of=ada.memberships.get().team))
    many_deployments(place, 202)
    assert api.get(LIST, limit=5000).json()["count"] == 200


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "image/png", "application/json;q=0", "nonsense"]
)
def test_the_answer_is_json_whatever_is_asked_for(api: ApiClient, accept: str) -> None:
    api.headers["Accept"] = accept
    assert api.get(LIST)["Content-Type"] == "application/json"


def test_a_fault_of_ours_tells_nothing_but_its_id(api: ApiClient, monkeypatch: Any) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret is xyzzy")

    monkeypatch.setattr("deployments.listing.candidates", broken)
    problem = is_problem(api.get(LIST), 500)
    assert problem["code"] == "server_error"
    assert "xyzzy" not in json.dumps(problem)


def test_a_busy_database_says_when_to_try_again(api: ApiClient, monkeypatch: Any) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("deployments.listing.candidates", busy)
    response = api.get(LIST)
    is_problem(response, 503)
    assert response["Retry-After"] == "2"


def test_the_request_id_of_the_client_is_echoed(api: ApiClient) -> None:
    api.headers["X-Request-ID"] = "build-77"
    response = api.get("/api/v1/nothing")
    assert response["X-Request-ID"] == is_problem(response, 404)["request_id"] == "build-77"


def test_answers_are_not_cached(api: ApiClient) -> None:
    assert api.get(LIST)["Cache-Control"] == "no-store"


def test_a_foreign_host_name_is_refused_in_the_same_shape(api: ApiClient) -> None:
    api.headers["Host"] = "evil.example"
    assert is_problem(api.get(LIST), 400)["code"] == "bad_request"


def test_a_fault_before_the_api_is_reached_has_the_same_shape(api: ApiClient, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "django.contrib.sessions.middleware.SessionMiddleware.process_request", lambda *_: 1 / 0
    )
    assert is_problem(api.get(LIST), 500)["code"] == "server_error"
