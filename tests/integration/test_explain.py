"""A failure explained, on its page and by the API: to those who may act, and to those who may only look."""

import re
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from deployments import logs
from deployments.models import Deployment, Environment
from deployments.pipeline import claims
from deployments.states import Status, StepStatus
from portal.core.models import Role, User
from tests import factories
from tests.integration.api_client import ApiClient

pytestmark = pytest.mark.django_db

LOOPBACK = {
    "listening": ["127.0.0.1:8000"],
    "container_log": "\x1b[32mINFO\x1b[0m: running",
    "disk_total_mb": 100,
}
KILLED = {"out_of_memory": True, "exit_code": 137}


@pytest.fixture
def ada() -> User:
    return factories.user("ada", of=factories.team("Data"))


@pytest.fixture
def place(ada: User) -> Environment:
    return factories.environment(factories.application("shop", of=ada.memberships.get().team))


def failed(place: Environment, code: str, detail: str = "", **fields: Any) -> Deployment:
    fields.setdefault("facts", {"runtime": "docker", "container_port": 8000})
    deployment = factories.deployment_at(
        Status.FAILED, of=place, failure_code=code, failure_detail=detail, **fields
    )
    deployment.steps.filter(key="run").update(status=StepStatus.FAILED)
    return deployment


def page_of(deployment: Deployment, person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.get(deployment.get_absolute_url()).content.decode()


def test_the_page_leads_with_the_diagnosis_and_its_proof(place: Environment, ada: User) -> None:
    page = page_of(failed(place, "loopback_only", "It listens elsewhere.", evidence=LOOPBACK), ada)

    assert "listens on 127.0.0.1:8000, must be 0.0.0.0:8000" in page
    assert re.search(r'<pre class="code-block proof"[^>]*>LISTEN 127.0.0.1:8000', page)
    for heading in ("What happened", "What it means", "What to do", "The dossier"):
        assert page.count(heading) == 1
    assert "INFO: running" in page


def test_the_remedy_opens_the_very_setting(place: Environment, ada: User) -> None:
    page = page_of(failed(place, "out_of_memory", evidence=KILLED), ada)

    target = f"{place.application.get_absolute_url()}#id_memory_mb"
    assert f'href="{target}"' in page
    client = Client()
    client.force_login(ada)
    assert 'id="id_memory_mb"' in client.get(place.application.get_absolute_url()).content.decode()


def test_the_missing_branch_leads_to_a_form_with_another_one(place: Environment, ada: User) -> None:
    page = page_of(failed(place, "branch_not_found", "There is no x. The branches are main."), ada)

    address = re.search(r'class="button primary" href="([^"]+branch=main)"', page)
    assert address is not None
    assert address[1].startswith(reverse("deploy"))


def test_a_retry_is_offered_as_a_button(place: Environment, ada: User) -> None:
    page = page_of(failed(place, "packages_locked", "Could not get lock /var/lib/dpkg/lock."), ada)

    assert 'id="button-remedy-retry"' in page


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("out_of_memory", ""),
        ("packages_locked", "Could not get lock."),
        ("branch_not_found", "There is no x. The branches are main."),
    ],
)
def test_who_may_only_look_is_offered_nothing(place: Environment, code: str, detail: str) -> None:
    eve = factories.user("eve", role=Role.VIEWER, of=place.application.team)

    result = page_of(failed(place, code, detail), eve).split('aria-label="Result"')[1].split("</section>")[0]

    assert "What to do" in result
    assert "<form" not in result
    assert "<a " not in result


@pytest.mark.parametrize(("step", "rules"), [("run", [14]), ("build", [])])
def test_only_the_log_of_the_failed_step_proves_something(
    place: Environment, ada: User, step: str, rules: list[int]
) -> None:
    deployment = failed(place, "unhealthy", "No answer", lease_owner="tests", fence=1)
    with transaction.atomic():
        number = deployment.steps.get(key=step).number
        logs.append(claims.Claim(deployment.pk, 1, "tests"), number, [("error", "exec format error")])

    body = ApiClient(ada).get(f"/api/v1/deployments/{deployment.uuid}/explain").json()

    assert [found["rule"] for found in body["diagnoses"]] == rules


def test_the_api_gives_the_same_with_its_evidence(place: Environment, ada: User) -> None:
    deployment = failed(place, "wrong_port", "Elsewhere.", evidence={"listening": ["0.0.0.0:5000"]})

    body = ApiClient(ada).get(f"/api/v1/deployments/{deployment.uuid}/explain").json()

    found = body["diagnoses"][0]
    assert found["rule"] == 18
    assert found["fix"].startswith("Set the container port to 5000")
    assert found["proposal"] == {"what": "set_port", "values": {"container_port": 5000}}
    assert body["diagnosis"]["code"] == "wrong_port"
    assert body["evidence"]["listening"] == ["0.0.0.0:5000"]


def test_text_of_an_application_stays_text(place: Environment, ada: User) -> None:
    evil = "ModuleNotFoundError: No module named '<script>alert(1)</script>'"

    page = page_of(failed(place, "container_exited", evidence={"exit_code": 1, "container_log": evil}), ada)

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_success_has_no_diagnosis(place: Environment, ada: User) -> None:
    deployment = factories.deployment_at(Status.SUCCEEDED, of=place)

    assert ApiClient(ada).get(f"/api/v1/deployments/{deployment.uuid}/explain").json()["diagnoses"] == []
