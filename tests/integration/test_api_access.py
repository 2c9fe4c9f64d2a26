"""Who gets into the API: exactly one good token, or a session with its CSRF token."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from portal.core import tokens
from portal.core.models import AuditEvent, Token, User
from tests import factories
from tests.integration.api_client import ApiClient, is_problem

pytestmark = pytest.mark.django_db
LIST = "/api/v1/deployments"


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


@pytest.fixture
def text(ada: User) -> str:
    _, secret = tokens.create(user=ada, name="CI", scopes=["read"], by=ada)
    return secret.reveal()


@pytest.mark.parametrize("form", ["Bearer {}", "Token {}", "bearer {}", "BEARER {}", "token {}"])
def test_both_keywords_work(client: Client, text: str, form: str) -> None:
    assert client.get(LIST, headers={"Authorization": form.format(text)}).status_code == 200


@pytest.mark.parametrize(
    "form",
    [
        "",
        " ",
        "{}",
        "Bearer",
        "Bearer ",
        "Bearer{}",
        "Bearer  {}",
        "Bearer\t{}",
        " Bearer {}",
        "Bearer {} ",
        "Bearer {} x",
        "Bearer {},",
        "Bearer {}, Bearer {}",
        "Bearer {},Bearer {}",
        "Bearer '{}'",
        'Bearer "{}"',
        "Bearer token={}",
        "Bearer: {}",
        "Basic {}",
        "Digest {}",
        "JWT {}",
        "ApiKey {}",
        "Bearer portal_",
        "Bearer null",
        "Bearer undefined",
        "Bearer portal_aaaaaaaaaaaa_" + "x" * 43,
        "Bearer " + "x" * 10_000,
        "Bearer {}\u00e9",
        "Bearer {}%00",
        "Bearer {}\\n",
        "Beare\u0072\u0301 {}",
        "Bearer ' OR 1=1 --",
    ],
)
def test_near_misses_are_refused(client: Client, text: str, form: str) -> None:
    header = form.replace("{}", text)
    response = client.get(LIST, HTTP_AUTHORIZATION=header)
    is_problem(response, 401)
    assert response["WWW-Authenticate"] == "Bearer"
    assert text not in response.content.decode()


def test_a_bad_header_is_not_saved_by_a_good_session(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.get(LIST).status_code == 200
    is_problem(client.get(LIST, headers={"Authorization": "Bearer nonsense"}), 401)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-User": "ada"},
        {"Remote-User": "ada"},
        {"X-Authenticated-User": "ada"},
        {"X-Auth-Token": "{}"},
        {"X-Api-Key": "{}"},
        {"Proxy-Authorization": "Bearer {}"},
        {"Cookie": "token={}"},
    ],
)
def test_forged_identity_headers_open_nothing(client: Client, text: str, headers: dict[str, str]) -> None:
    named = {name: value.replace("{}", text) for name, value in headers.items()}
    is_problem(client.get(LIST, headers=named), 401)


def test_a_token_in_the_address_opens_nothing(client: Client, text: str) -> None:
    is_problem(client.get(LIST, {"token": text}), 401)
    is_problem(client.get(LIST, {"access_token": text}), 401)


def test_the_stored_digest_opens_nothing(client: Client, text: str) -> None:
    token = Token.objects.get()
    for stolen in (token.digest, f"portal_{token.identifier}_{token.digest}"):
        is_problem(client.get(LIST, headers={"Authorization": f"Bearer {stolen}"}), 401)


def test_a_revoked_token_opens_nothing(client: Client, ada: User, text: str) -> None:
    tokens.revoke(token=Token.objects.get(), by=ada)
    is_problem(client.get(LIST, headers={"Authorization": f"Bearer {text}"}), 401)


def test_the_token_of_a_disabled_person_opens_nothing(client: Client, text: str) -> None:
    User.objects.update(is_active=False)
    is_problem(client.get(LIST, headers={"Authorization": f"Bearer {text}"}), 401)


def test_a_session_needs_the_csrf_token_to_change_something(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert client.get(LIST).status_code == 200
    problem = is_problem(client.post(LIST, "{}", content_type="application/json"), 403)
    assert "CSRF" in problem["detail"]


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("read", "GET", LIST, 200),
        ("read", "POST", LIST, 403),
        ("read", "POST", "/api/deploy", 403),
        ("read", "POST", "/api/v1/deployments/00000000/cancel", 403),
        ("read", "PATCH", "/api/v1/applications/x", 403),
        ("read", "PUT", "/api/v1/applications/x/env", 403),
        ("read", "DELETE", "/api/v1/applications/x", 403),
        ("approve", "POST", LIST, 403),
        ("registry", "POST", LIST, 403),
        ("predict", "GET", LIST, 403),
        ("deploy", "GET", LIST, 200),
        ("deploy", "POST", LIST, 400),
        ("admin", "POST", LIST, 400),
    ],
)
def test_a_token_does_what_its_scope_allows(
    ada: User, scope: str, method: str, path: str, status: int
) -> None:
    response = ApiClient(ada, scope).send(method, path, {})
    assert response.status_code == status
    if status == 403:
        assert is_problem(response, 403)["code"] == "scope_missing"


def test_the_role_of_the_owner_holds_for_the_token_as_well() -> None:
    viewer = factories.user(role="viewer")
    response = ApiClient(viewer, "deploy").post(LIST, {"github_url": "https://github.com/acme/x"})
    is_problem(response, 403)


def test_what_a_token_does_is_on_record_with_the_token(ada: User) -> None:
    api = ApiClient(ada, "deploy")
    assert api.post(LIST, {"github_url": "https://github.com/acme/x"}).status_code == 202
    event = AuditEvent.objects.get(action="deployment.deploy")
    assert (event.surface, event.actor, event.address) == ("api", ada, "127.0.0.1")
    assert event.token == Token.objects.get().identifier


def test_the_use_of_a_token_is_noted(ada: User) -> None:
    ApiClient(ada).get(LIST)
    token = Token.objects.get()
    assert token.last_used_at is not None
    assert token.last_used_from == "127.0.0.1"


@pytest.fixture
def three_a_minute(settings: Any) -> Iterator[None]:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"api": "3/min"}}
    with time_machine.travel("2026-11-21T12:00:20Z", tick=False):
        yield


def test_too_many_requests_are_told_when_to_come_back(three_a_minute: None, ada: User) -> None:
    api, other = ApiClient(ada), ApiClient(ada)
    assert [api.get(LIST).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = api.get(LIST)
    is_problem(refused, 429)
    assert refused["Retry-After"] == "40"
    assert other.get(LIST).status_code == 200
    with time_machine.travel("2026-11-21T12:01:00Z", tick=False):
        assert api.get(LIST).status_code == 200


def test_strangers_share_the_limit_of_their_address_whatever_they_claim(
    three_a_minute: None, client: Client
) -> None:
    statuses = [
        client.get("/api/nothing", headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
        for number in range(5)
    ]
    assert statuses == [404, 404, 404, 429, 429]
