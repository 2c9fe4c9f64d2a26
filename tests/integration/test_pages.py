"""What the pages show, and what their buttons do: one happy path and one refusal each."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deployments.models import Application, Deployment, Environment, Variable
from deployments.preflight import Check
from deployments.states import Status, Wanted
from portal.core.models import Token, User
from portal.core.secrets import Secret
from tests import factories

pytestmark = pytest.mark.django_db

URL = "https://github.com/acme/churn-api"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def ada(client: Client) -> User:
    person = factories.user("ada", of=factories.team("Data"))
    client.force_login(person)
    return person


def place_of(person: User, **fields: Any) -> Environment:
    membership = person.memberships.get()
    return factories.environment(
        factories.application("churn-api", of=membership.team, git_url=URL, created_by=person), **fields
    )


def test_an_empty_portal_says_what_to_do_first(client: Client, ada: User) -> None:
    page = client.get("/").content.decode()

    assert "First steps" in page
    assert "Deploy the example" in page


def test_deploying_a_url_makes_the_application_and_leads_to_the_deployment(client: Client, ada: User) -> None:
    answer = client.post(
        reverse("deploy"), {"git_url": URL, "variable_key": ["API_KEY", ""], "variable_value": ["s3cret", ""]}
    )

    deployment = Deployment.objects.get()
    assert answer["Location"] == deployment.get_absolute_url()
    assert deployment.application.name == "churn-api"
    assert deployment.source == "page"
    assert Variable.objects.get().value.reveal() == "s3cret"


def test_the_form_keeps_what_was_entered_when_it_is_refused(client: Client, ada: User) -> None:
    answer = client.post(
        reverse("deploy"), {"git_url": "ftp://nowhere", "branch": "feature/x", "host_port": "20005"}
    )

    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="ftp://nowhere"' in page
    assert 'value="feature/x"' in page
    assert 'value="20005"' in page
    assert not Application.objects.exists()


def test_the_form_can_be_linked_to(client: Client, ada: User) -> None:
    page = client.get(reverse("deploy"), {"git_url": URL, "environment": "stage"}).content.decode()

    assert f'value="{URL}"' in page
    assert 'value="stage"' in page


def test_a_person_without_a_role_is_told_by_the_form(client: Client) -> None:
    client.force_login(factories.user("stranger", role=None))

    answer = client.post(reverse("deploy"), {"git_url": URL})

    assert answer.status_code == 403
    assert "You are not a deployer in any team" in answer.content.decode()


def test_one_click_deploys_the_example_of_the_checkout(client: Client, ada: User) -> None:
    client.post(reverse("deploy-example"))

    assert Application.objects.get().git_url.endswith("/examples/sentiment-api")
    assert Deployment.objects.get().environment.name == "dev"


def test_the_url_is_checked_before_anything_is_made(
    client: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        Check("repository", True, "It answers."),
        Check("dockerfile", False, "There is none.", fix="Add a Dockerfile."),
    ]
    monkeypatch.setattr("deployments.preflight.check_repository", lambda url, **more: found)

    page = client.post(reverse("deploy-check"), {"git_url": URL}, headers=HTMX).content.decode()

    assert "It answers." in page
    assert "Add a Dockerfile." in page
    assert not Application.objects.exists()


def test_applications_are_found_by_name_repository_address_and_instance(client: Client, ada: User) -> None:
    place = place_of(ada)
    Environment.objects.filter(pk=place.pk).update(url="http://127.0.0.1:20123")
    factories.application("other", of=ada.memberships.get().team)

    for text in ("churn", "acme/churn", ":20123", "local"):
        page = client.get(
            "/applications/", {"q": text}, headers=HTMX | {"HX-Target": "application-list"}
        ).content.decode()
        assert "churn-api" in page, text
        assert "<html" not in page
    assert "No application fits" in client.get("/applications/", {"q": "zzz"}).content.decode()


def test_deployments_are_filtered_and_paged_by_their_address(client: Client, ada: User) -> None:
    place = place_of(ada)
    for _ in range(30):
        factories.deployment_at(Status.SUCCEEDED, of=place)
    failed = factories.deployment_at(Status.FAILED, of=place)

    first = client.get("/deployments/").content.decode()
    only_failed = client.get("/deployments/?status=failed").content.decode()

    assert first.count('<th scope="row"') == 25
    assert "?after=" in first
    assert only_failed.count('<th scope="row"') == 1
    assert failed.short_id in only_failed
    assert client.get("/deployments/?after=99999999999999999999").status_code == 200
    assert client.get("/deployments/?after=x&status=y&q=%00").status_code == 200


@pytest.mark.parametrize("status", list(Status))
def test_each_state_of_a_deployment_has_its_page(status: Status, client: Client, ada: User) -> None:
    deployment = factories.deployment_at(
        status, of=place_of(ada), failure_code="container_exited" if status == Status.FAILED else ""
    )

    page = client.get(deployment.get_absolute_url()).content.decode()

    assert page.count('class="step ') == 12
    assert deployment.get_status_display() in page
    assert ("hx-trigger" in page.split('id="deployment-live"')[1].split(">")[0]) is not deployment.is_finished


def test_a_failed_deployment_says_what_it_means_and_what_to_do(client: Client, ada: User) -> None:
    deployment = factories.deployment_at(
        Status.FAILED, of=place_of(ada), failure_code="container_exited", failure_detail="exit code 1"
    )

    page = client.get(deployment.get_absolute_url()).content.decode()

    assert "The application ended by itself" in page
    assert "What to do" in page
    assert "exit code 1" in page


def test_the_fragment_is_sent_only_when_something_changed(client: Client, ada: User) -> None:
    deployment = factories.deployment_at(Status.RUNNING, of=place_of(ada))
    address = reverse("deployment-steps", args=[deployment.short_id])
    seen = client.get(address).content.decode().split("?seen=")[1].split('"')[0]

    unchanged = client.get(address, {"seen": seen}, headers=HTMX)
    deployment.steps.filter(number=1).update(status="succeeded")
    changed = client.get(address, {"seen": seen}, headers=HTMX)

    assert unchanged.status_code == 204
    assert changed.status_code == 200
    assert "1 of 12" in changed.content.decode()


def test_a_queued_deployment_says_why_it_waits(client: Client, ada: User) -> None:
    place = place_of(ada)
    factories.deployment_at(Status.RUNNING, of=place, requested_by=ada)
    waiting = factories.deployment_at(Status.QUEUED, of=place)

    page = client.get(waiting.get_absolute_url()).content.decode()

    assert "1 ahead in the queue" in page
    assert "behind churn-api #1, started by ada" in page


def test_the_buttons_of_a_deployment_do_what_they_say(client: Client, ada: User) -> None:
    running = factories.deployment_at(Status.RUNNING, of=place_of(ada), requested_by=ada)

    answer = client.post(reverse("deployment-cancel", args=[running.short_id]), follow=True)

    running.refresh_from_db()
    assert running.status == Status.CANCELLING
    assert "is being cancelled" in answer.content.decode()


def test_a_button_that_came_too_late_is_answered_with_the_reason(client: Client, ada: User) -> None:
    done = factories.deployment_at(Status.SUCCEEDED, of=place_of(ada))

    page = client.get(done.get_absolute_url()).content.decode()
    answer = client.post(reverse("deployment-cancel", args=[done.short_id]))

    assert "It has ended already: succeeded." in page
    assert answer.status_code == 409
    assert "It has ended already: succeeded." in answer.content.decode()


def test_retry_leads_to_the_new_deployment(client: Client, ada: User) -> None:
    failed = factories.deployment_at(Status.FAILED, of=place_of(ada))

    answer = client.post(reverse("deployment-retry", args=[failed.short_id]))

    assert answer["Location"] == Deployment.objects.exclude(pk=failed.pk).get().get_absolute_url()


def test_an_earlier_release_can_be_brought_back_from_the_application(client: Client, ada: User) -> None:
    place = place_of(ada)
    factories.release(place, 1)
    Environment.objects.filter(pk=place.pk).update(live_release=factories.release(place, 2))
    address = reverse("environment-rollback", args=["churn-api", "dev", 1])

    page = client.get("/applications/churn-api/").content.decode()
    client.post(address)

    assert address in page
    assert Deployment.objects.get().release.number == 1  # type: ignore[union-attr]
    assert client.post(reverse("environment-rollback", args=["churn-api", "dev", 9])).status_code == 404


def test_what_is_live_can_be_stopped_and_started(client: Client, ada: User) -> None:
    place = place_of(ada)
    Environment.objects.filter(pk=place.pk).update(live_release=factories.release(place))

    client.post(reverse("environment-stop", args=["churn-api", "dev"]))
    place.refresh_from_db()

    assert place.wanted == Wanted.STOPPED
    assert (
        "It is stopped already."
        in client.post(reverse("environment-stop", args=["churn-api", "dev"])).content.decode()
    )
    assert client.post(reverse("environment-start", args=["churn-api", "dev"])).status_code == 302


def test_a_variable_is_written_and_its_secret_never_shown(client: Client, ada: User) -> None:
    place = place_of(ada)

    client.post(
        reverse("variable-set", args=["churn-api", "dev"]),
        {"key": "API_KEY", "value": "canary-1", "secret": "on"},
    )
    page = client.get("/applications/churn-api/").content.decode()

    assert place.variables.get().value.reveal() == "canary-1"
    assert "API_KEY" in page
    assert "set ••••" in page
    assert "canary-1" not in page


def test_a_wrong_variable_is_refused_with_the_reason(client: Client, ada: User) -> None:
    place = place_of(ada)

    answer = client.post(
        reverse("variable-set", args=["churn-api", "dev"]), {"key": "1 BAD", "value": "x"}, follow=True
    )

    assert "The variable was not stored." in answer.content.decode()
    assert not place.variables.exists()


def test_a_variable_is_removed(client: Client, ada: User) -> None:
    place = place_of(ada)
    variable = Variable(environment=place, key="OLD")
    variable.value = Secret("x")
    variable.save()

    client.post(reverse("variable-remove", args=["churn-api", "dev", "OLD"]))

    assert not place.variables.exists()


def test_settings_are_saved_and_an_empty_token_keeps_the_stored_one(client: Client, ada: User) -> None:
    application = place_of(ada).application
    application.git_token = Secret("ghp_canary")
    application.save()
    fields = {
        "git_url": URL,
        "dockerfile": "deploy/Dockerfile",
        "health_path": "/ready",
        "memory_mb": 512,
        "cpus": "0.5",
    }

    answer = client.post(reverse("application-settings", args=["churn-api"]), fields)

    application.refresh_from_db()
    assert answer.status_code == 302
    assert application.dockerfile == "deploy/Dockerfile"
    assert application.git_token.reveal() == "ghp_canary"


def test_wrong_settings_are_shown_beside_their_fields(client: Client, ada: User) -> None:
    place_of(ada)
    fields = {
        "git_url": URL,
        "dockerfile": "../Dockerfile",
        "health_path": "/",
        "memory_mb": 512,
        "cpus": "0.5",
    }

    answer = client.post(reverse("application-settings", args=["churn-api"]), fields)

    assert answer.status_code == 422
    assert 'value="../Dockerfile"' in answer.content.decode()


def test_an_environment_is_added(client: Client, ada: User) -> None:
    place = place_of(ada)

    client.post(
        reverse("environment-create", args=["churn-api"]), {"name": "stage", "instance": place.instance.pk}
    )

    assert place.application.environments.filter(name="stage").exists()


def test_deleting_needs_the_name_to_be_typed(client: Client, ada: User) -> None:
    application = place_of(ada).application
    address = reverse("application-delete", args=["churn-api"])

    refused = client.post(address, {"confirmation": "churn"})
    application.refresh_from_db()
    kept = application.deleted_at is None
    client.post(address, {"confirmation": "churn-api"})
    application.refresh_from_db()

    assert refused.status_code == 409
    assert kept
    assert application.deleted_at is not None


def test_a_token_is_shown_once_and_can_be_revoked(client: Client, ada: User) -> None:
    made = client.post(reverse("tokens"), {"name": "CI", "scopes": ["read"], "days": 30})
    token = Token.objects.get()
    start = f"portal_{token.identifier}_"

    later = client.get(reverse("tokens")).content.decode()
    client.post(reverse("token-revoke", args=[token.pk]))
    token.refresh_from_db()

    assert made.content.decode().count(f'data-copy="{start}') == 1
    assert "no-store" in made["Cache-Control"]
    assert f'data-copy="{start}' not in later
    assert token.revoked_at is not None


def test_nobody_revokes_the_token_of_somebody_else(client: Client, ada: User) -> None:
    other = factories.user("bob")
    from portal.core import tokens

    token, _ = tokens.create(user=other, name="his", scopes=["read"], by=other)

    assert client.post(reverse("token-revoke", args=[token.pk])).status_code == 404


def test_the_doctor_says_what_to_do_and_shows_settings_to_portal_admins_only(
    client: Client, ada: User
) -> None:
    page = client.get(reverse("system")).content.decode()
    client.force_login(factories.portal_admin())
    for_admins = client.get(reverse("system")).content.decode()

    assert "What to do:" in page
    assert "Settings in force" not in page
    assert "Settings in force" in for_admins


def test_a_changed_password_works(client: Client, ada: User) -> None:
    new = "another horse battery"
    fields = {"old_password": "correct horse battery", "new_password1": new, "new_password2": new}

    answer = client.post(reverse("password-change"), fields)

    ada.refresh_from_db()
    assert answer.status_code == 302
    assert ada.check_password(new)
