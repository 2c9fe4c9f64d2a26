"""Nobody reaches a page without signing in; strangers learn nothing of what is not theirs."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.core.models import Role
from tests import factories

pytestmark = pytest.mark.django_db

# Reached before anybody has signed in, on purpose.
OPEN = {
    "/login/",
    "/logout/",
    "/livez",
    "/readyz",
    "/healthz",
    "/health",
    "/admin/jsi18n/",
    "/admin/login/",
    "/admin/logout/",
}
SAMPLES = {
    "name": "churn-api",
    "environment": "dev",
    "identifier": "0123abcd",
    "key": "API_KEY",
    "number": "1",
    "pk": "1",
}


def all_paths(patterns: Any = None, prefix: str = "/") -> Iterator[str]:
    """Every address of the URL configuration that is not the API's, with samples for its parts."""
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        route = str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from all_paths(pattern.url_patterns, prefix + route)
        elif isinstance(pattern, URLPattern) and not route.startswith("^"):
            yield _filled(prefix + route)


def _filled(route: str) -> str:
    for name, sample in SAMPLES.items():
        for kind in ("str", "int", "path", "slug"):
            route = route.replace(f"<{kind}:{name}>", sample)
    for left in ("<path:object_id>", "<path:content_type_id>", "<int:content_type_id>", "<id>", "<path:url>"):
        route = route.replace(left, "1")
    return route


PATHS = sorted({path for path in all_paths() if not path.startswith("/api")} - OPEN)


def test_the_crawl_sees_the_pages() -> None:
    assert len(PATHS) > 60
    assert "/applications/churn-api/dev/deploy/" in PATHS


@pytest.mark.parametrize("method", ["get", "post"])
def test_every_page_asks_for_a_sign_in(method: str, client: Client) -> None:
    answers = {path: getattr(client, method)(path) for path in PATHS}

    let_in = [path for path, answer in answers.items() if not _is_refused(answer)]
    assert let_in == ([] if method == "get" else ["/"])  # The overview takes no POST at all.


def _is_refused(answer: Any) -> bool:
    if answer.status_code == 302:
        return answer["Location"].startswith(("/login/?next=", "/admin/login/?next="))
    return answer.status_code in (401, 403)


def test_an_unknown_address_leads_a_stranger_to_the_sign_in(client: Client) -> None:
    assert client.get("/nothing-like-this/")["Location"] == "/login/?next=/nothing-like-this/"


def test_signing_in_leads_back_to_the_page_that_was_wanted(client: Client) -> None:
    factories.user("ada")

    answer = client.post(
        "/login/?next=/instances/",
        {"username": "ada", "password": "correct horse battery", "next": "/instances/"},
    )

    assert answer["Location"] == "/instances/"


def test_signing_in_does_not_lead_to_another_site(client: Client) -> None:
    factories.user("ada")

    answer = client.post(
        "/login/", {"username": "ada", "password": "correct horse battery", "next": "https://evil.example/"}
    )

    assert answer["Location"] == "/"


def test_ten_wrong_passwords_lock_the_account_and_say_so(client: Client, settings: Any) -> None:
    settings.AXES_ENABLED = True
    factories.user("ada")

    for _ in range(10):
        answer = client.post("/login/", {"username": "ada", "password": "wrong"})

    assert answer.status_code == 429
    assert b"Too many wrong passwords" in answer.content
    assert client.post("/login/", {"username": "ada", "password": "correct horse battery"}).status_code == 429


def test_what_belongs_to_another_team_is_not_found(client: Client) -> None:
    application = factories.application("secret-app")
    environment = factories.environment(application)
    deployment = factories.deployment_at("failed", of=environment)
    client.force_login(factories.user("eve"))

    for address in (
        application.get_absolute_url(),
        deployment.get_absolute_url(),
        reverse("deployment-steps", args=[deployment.short_id]),
    ):
        assert client.get(address).status_code == 404
    for name in ("cancel", "retry", "redeploy", "rollback"):
        assert client.post(reverse(f"deployment-{name}", args=[deployment.short_id])).status_code == 404
    for address in ("/applications/", "/deployments/", "/"):
        assert b"secret-app" not in client.get(address).content


def test_a_viewer_sees_why_he_may_not(client: Client) -> None:
    application = factories.application("churn-api")
    environment = factories.environment(application)
    client.force_login(factories.user("vera", role=Role.VIEWER, of=application.team))

    page = client.get(application.get_absolute_url())
    refused = client.post(reverse("environment-deploy", args=["churn-api", environment.name]))

    assert "You need the role Deployer or Team admin" in page.content.decode()
    assert refused.status_code == 403
    assert "You need the role" in refused.content.decode()


def test_programs_that_ask_for_json_get_the_way_to_the_api(client: Client) -> None:
    answer = client.get("/", headers={"Accept": "application/json"})

    assert answer.json() == {"message": "Portal API", "docs": "/docs", "health": "/health"}
    assert "Accept" in answer["Vary"]
    assert client.get("/").status_code == 302


def test_a_form_without_its_token_is_refused_with_a_next_step() -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(factories.user("ada"))

    answer = strict.post(reverse("deploy-example"))

    assert answer.status_code == 403
    assert b"This page was too old" in answer.content


def test_error_pages_name_the_request(client: Client) -> None:
    client.force_login(factories.user("ada"))

    answer = client.get("/applications/nothing/", headers={"X-Request-ID": "abc-123"})

    assert answer.status_code == 404
    assert b"abc-123" in answer.content


def test_an_error_on_our_side_gives_a_page_with_the_request_id(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("portal.doctor.run", broken)
    client.raise_request_exception = False
    client.force_login(factories.user("ada"))

    answer = client.get(reverse("system"), headers={"X-Request-ID": "abc-123"})

    assert answer.status_code == 500
    assert b"abc-123" in answer.content
    assert b"boom" not in answer.content
