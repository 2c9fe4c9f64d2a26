"""The same request under the same key happens once and is answered alike."""

import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from deployments import actions
from deployments.api import urls
from deployments.models import Deployment
from portal.api import idempotency
from portal.core.models import IdempotentRequest, User
from tests import factories
from tests.integration.api_client import ApiClient, is_problem

POST = "/api/v1/deployments"
BODY = {"github_url": "https://github.com/acme/churn", "env": {"API_KEY": "a very secret thing"}}

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


@pytest.fixture
def api(ada: User) -> ApiClient:
    return ApiClient(ada)


def test_the_same_key_and_body_get_the_same_answer(api: ApiClient) -> None:
    first = api.post(POST, BODY, Idempotency_Key="one")
    Deployment.objects.update(status="succeeded", finished_at=timezone.now())
    second = api.post(POST, BODY, Idempotency_Key="one")
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == first.json()
    assert second["Location"] == first["Location"]
    assert "Idempotent-Replay" not in first
    assert second["Idempotent-Replay"] == "true"
    assert Deployment.objects.count() == 1


def test_the_order_of_fields_and_the_spelling_of_the_address_do_not_matter(api: ApiClient) -> None:
    first = api.post(POST, BODY, Idempotency_Key="one")
    again = api.post("/api/deployments/", dict(reversed(BODY.items())), Idempotency_Key="one")
    assert again.json() == first.json()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (POST, {**BODY, "branch": "other"}),
        (POST, {}),
        ("/api/v1/deploy", BODY),
        (f"{POST}/00000000/cancel", BODY),
    ],
)
def test_the_same_key_for_something_else_is_a_conflict(
    api: ApiClient, path: str, body: dict[str, Any]
) -> None:
    api.post(POST, BODY, Idempotency_Key="one")
    assert is_problem(api.post(path, body, Idempotency_Key="one"), 409)["code"] == "idempotency_key_reused"
    assert Deployment.objects.count() == 1


def test_keys_belong_to_a_person(api: ApiClient) -> None:
    api.post(POST, BODY, Idempotency_Key="one")
    other = ApiClient(factories.user("eve"))
    assert other.post(POST, BODY, Idempotency_Key="one").status_code == 202
    assert Deployment.objects.count() == 2


def test_a_refusal_is_not_kept(api: ApiClient) -> None:
    is_problem(api.post(POST, {"github_url": "nonsense"}, Idempotency_Key="one"), 400)
    assert api.post(POST, BODY, Idempotency_Key="one").status_code == 202


def test_a_fault_of_ours_frees_the_key(api: ApiClient, monkeypatch: Any) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(actions, "deploy_url", lambda **_: 1 / 0)
        is_problem(api.post(POST, BODY, Idempotency_Key="one"), 500)
    assert api.post(POST, BODY, Idempotency_Key="one").status_code == 202


def test_after_a_day_the_key_is_free(api: ApiClient) -> None:
    api.post(POST, BODY, Idempotency_Key="one")
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))
    other = {**BODY, "branch": "other"}
    assert api.post(POST, other, Idempotency_Key="one").status_code == 202
    assert idempotency.forget_old_answers() == 0
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        assert idempotency.forget_old_answers() == 1


def test_while_the_first_is_under_way_the_second_is_told_to_come_back(api: ApiClient) -> None:
    api.post(POST, BODY, Idempotency_Key="one")
    IdempotentRequest.objects.update(status=None, body=None)
    response = api.post(POST, BODY, Idempotency_Key="one")
    assert is_problem(response, 409)["code"] == "request_in_progress"
    assert response["Retry-After"] == "1"


def test_the_key_of_a_request_that_died_is_free_after_a_minute(api: ApiClient) -> None:
    api.post(POST, BODY, Idempotency_Key="one")
    IdempotentRequest.objects.update(status=None, created_at=timezone.now() - timedelta(seconds=61))
    assert api.post(POST, BODY, Idempotency_Key="one").status_code in (200, 202)
    assert Deployment.objects.count() == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\tb"])
def test_a_key_is_plain_text_of_a_bounded_length(api: ApiClient, key: str) -> None:
    is_problem(api.post(POST, BODY, Idempotency_Key=key), 400)
    assert not Deployment.objects.exists()


def test_the_body_is_kept_as_a_keyed_digest_only(api: ApiClient) -> None:
    api.post(POST, BODY, Idempotency_Key="one")
    assert "a very secret thing" not in str(IdempotentRequest.objects.values().get())


def test_every_post_of_the_api_can_be_repeated_under_a_key() -> None:
    posts = [
        pattern.callback.cls  # type: ignore[attr-defined]
        for pattern in urls.urlpatterns
        if hasattr(pattern.callback.cls, "post")  # type: ignore[attr-defined]
    ]
    assert len(posts) >= 9
    assert [view for view in posts if not getattr(view.post, "is_idempotent", False)] == []


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_carried_out(ada: User) -> None:
    clients = [ApiClient(ada) for _ in range(8)]
    answers: list[Any] = []
    gate = threading.Barrier(len(clients))

    def send(api: ApiClient) -> None:
        try:
            gate.wait(timeout=10)
            answers.append(api.post(POST, BODY, Idempotency_Key="one"))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=[api]) for api in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert Deployment.objects.count() == 1
    statuses = sorted(answer.status_code for answer in answers)
    assert len(statuses) == 8
    assert set(statuses) <= {202, 409}
    assert statuses[0] == 202
    assert {a.json()["deployment_id"] for a in answers if a.status_code == 202} == {
        str(Deployment.objects.get().uuid)
    }
