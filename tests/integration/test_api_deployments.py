"""Deployments through the API: started, followed, decided about, explained."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from deployments import logs
from deployments.models import Application, Deployment, Environment
from deployments.pipeline import claims
from deployments.states import Status
from instances.actions import ensure_local_instance
from instances.models import Instance
from portal.core.models import User
from tests import factories
from tests.integration.api_client import ApiClient, is_problem

pytestmark = pytest.mark.django_db
LIST = "/api/v1/deployments"
REPOSITORY = "https://github.com/acme/churn"


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


@pytest.fixture
def api(ada: User) -> ApiClient:
    return ApiClient(ada)


@pytest.fixture
def place(ada: User) -> Environment:
    return factories.environment(factories.application("churn", of=ada.memberships.get().team))


def write_log(deployment: Deployment, *lines: tuple[str, str]) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(lease_owner="tests", fence=1)
    with transaction.atomic():
        logs.append(claims.Claim(deployment.pk, 1, "tests"), 1, lines)


@pytest.mark.parametrize(
    "path", [LIST, "/api/deployments", "/api/deployments/", "/api/deploy", "/api/v1/deploy/"]
)
def test_the_four_fields_of_older_clients_deploy(api: ApiClient, path: str) -> None:
    response = api.post(
        path,
        {"github_url": REPOSITORY, "instance_name": "my-churn", "container_port": 8000, "host_port": 8765},
    )
    assert response.status_code == 202
    body, deployment = response.json(), Deployment.objects.get()
    assert body["success"] is True
    assert body["deployment_id"] == str(deployment.uuid)
    assert body["short_id"] == deployment.short_id
    assert body["status"] == "queued"
    assert response["Location"] == body["links"]["self"] == f"http://testserver{LIST}/{deployment.uuid}"
    assert body["links"]["websocket"] == f"ws://testserver/ws/deployments/{deployment.uuid}/"
    assert deployment.application.name == "my-churn"
    assert deployment.application.container_port == 8000
    assert deployment.environment.public_port == 8765
    assert deployment.source == "api"


@pytest.mark.parametrize("port", [8000, "8000"])
def test_a_port_may_come_as_plain_digits(api: ApiClient, port: Any) -> None:
    assert api.post(LIST, {"github_url": REPOSITORY, "container_port": port}).status_code == 202
    assert Application.objects.get().container_port == 8000


def test_everything_can_be_said(api: ApiClient) -> None:
    body = {
        "git_url": REPOSITORY, "name": "churn-api", "branch": "main", "environment": "stage", "target": "local",
        "env": {"GREETING": "  $HOME \"quoted\" \n", "EMPTY": ""}, "model_version": None, "host_port": None,
    }  # fmt: skip
    assert api.post(LIST, body).status_code == 202
    place = Environment.objects.get()
    assert (place.name, place.application.name) == ("stage", "churn-api")
    values = {row.key: row.value.reveal() for row in place.variables.all()}
    assert values == {"GREETING": '  $HOME "quoted" \n', "EMPTY": ""}
    assert Deployment.objects.get().ref == "main"


def test_starting_twice_is_one_deployment(api: ApiClient) -> None:
    first, second = (api.post(LIST, {"github_url": REPOSITORY}) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200)
    assert second["Idempotent-Replay"] == "true"
    assert first.json()["deployment_id"] == second.json()["deployment_id"]


def test_instance_name_is_an_instance_where_there_is_one(api: ApiClient) -> None:
    Instance.objects.create(name="gpu-box", kind="local", status="running")
    api.post(LIST, {"github_url": REPOSITORY, "instance_name": "gpu-box"})
    deployment = Deployment.objects.get()
    assert deployment.instance.name == "gpu-box"
    assert deployment.application.name == "churn"


def test_instance_name_is_the_name_when_the_target_is_given(api: ApiClient) -> None:
    ensure_local_instance()
    api.post(LIST, {"github_url": REPOSITORY, "instance_name": "local-churn", "target": "local"})
    assert Deployment.objects.get().application.name == "local-churn"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/github_url"),
        ({"github_url": ""}, "/github_url"),
        ({"github_url": None}, "/github_url"),
        ({"github_url": 7}, "/github_url"),
        ({"github_url": ["https://github.com/a/b"]}, "/github_url"),
        ({"github_url": REPOSITORY, "git_url": REPOSITORY}, "/github_url"),
        ({"github_url": "https://evil.example/a/b"}, "/github_url"),
        ({"github_url": "--upload-pack=touch /tmp/x"}, "/github_url"),
        ({"github_url": REPOSITORY + "\n"}, "/github_url"),
        ({"git_url": "file:///etc"}, "/git_url"),
        ({"github_url": REPOSITORY, "instance_name": "Not A Name"}, "/instance_name"),
        ({"github_url": REPOSITORY, "name": "x;y"}, "/name"),
        ({"github_url": REPOSITORY, "container_port": 0}, "/container_port"),
        ({"github_url": REPOSITORY, "container_port": 65536}, "/container_port"),
        ({"github_url": REPOSITORY, "container_port": True}, "/container_port"),
        ({"github_url": REPOSITORY, "container_port": 80.0}, "/container_port"),
        ({"github_url": REPOSITORY, "container_port": "80:80"}, "/container_port"),
        ({"github_url": REPOSITORY, "container_port": " 80"}, "/container_port"),
        ({"github_url": REPOSITORY, "container_port": "８０"}, "/container_port"),
        ({"github_url": REPOSITORY, "host_port": 80}, "/host_port"),
        ({"github_url": REPOSITORY, "host_port": 21000}, "/host_port"),
        ({"github_url": REPOSITORY, "branch": "$(id)"}, "/branch"),
        ({"github_url": REPOSITORY, "branch": "--x"}, "/branch"),
        ({"github_url": REPOSITORY, "environment": "../x"}, "/environment"),
        ({"github_url": REPOSITORY, "target": "nowhere"}, "/target"),
        ({"github_url": REPOSITORY, "env": {"PATH": "x"}}, "/env"),
        ({"github_url": REPOSITORY, "env": {"A-B": "x"}}, "/env"),
        ({"github_url": REPOSITORY, "env": ["A=1"]}, "/env"),
        ({"github_url": REPOSITORY, "env": {"A": "x\u0000"}}, "/env/A"),
        ({"github_url": REPOSITORY, "model_version": "churn:3"}, "/model_version"),
    ],
)
def test_refused_input_names_the_field_and_leaves_nothing(
    api: ApiClient, body: dict[str, Any], pointer: str
) -> None:
    problem = is_problem(api.post(LIST, body), 400)
    assert problem["errors"][0]["pointer"].startswith(pointer), problem["errors"]
    assert not Application.objects.exists()
    assert not Deployment.objects.exists()


def test_a_refused_value_of_a_variable_is_not_repeated(api: ApiClient) -> None:
    response = api.post(LIST, {"github_url": REPOSITORY, "env": {"PATH": "hunter2-hunter2"}})
    assert "hunter2" not in response.content.decode()


@pytest.mark.parametrize("pick", [lambda d: str(d.uuid), lambda d: d.uuid.hex, lambda d: d.short_id])
def test_a_deployment_is_found_by_its_id_or_its_short_id(
    api: ApiClient, place: Environment, pick: Any
) -> None:
    deployment = factories.deployment_at(Status.RUNNING, of=place)
    write_log(deployment, ("info", "one"), ("error", "two"))
    body = api.get(f"{LIST}/{pick(deployment)}").json()
    assert body["deployment"]["id"] == str(deployment.uuid)
    assert body["deployment"]["number"] == deployment.number
    assert body["deployment"]["created_at"].endswith("Z")
    assert isinstance(body["deployment"]["duration"], float)
    assert [step["number"] for step in body["steps"]] == list(range(1, 13))
    assert [line["message"] for line in body["logs"]] == ["one", "two"]


def test_a_failed_one_says_why(api: ApiClient, place: Environment) -> None:
    deployment = factories.deployment_at(
        Status.FAILED, of=place, failure_code="dockerfile_missing", failure_detail="Dockerfile"
    )
    failure = api.get(f"{LIST}/{deployment.uuid}").json()["deployment"]["failure"]
    assert failure["code"] == "dockerfile_missing"
    assert "Dockerfile" in failure["title"]


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", ""),
        ("GET", "/logs"),
        ("GET", "/explain"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("POST", "/redeploy"),
        ("POST", "/rollback"),
    ],
)
def test_what_is_not_there_and_what_is_not_yours_look_alike(api: ApiClient, method: str, tail: str) -> None:
    foreign = factories.deployment_at(Status.FAILED)
    answers = []
    for identifier in (foreign.uuid, foreign.short_id, "00000000", "0" * 32, "nonsense"):
        problem = is_problem(api.send(method, f"{LIST}/{identifier}{tail}"), 404)
        answers.append({k: v for k, v in problem.items() if k not in ("instance", "request_id")})
    assert all(answer == answers[0] for answer in answers)


def test_the_log_is_read_on_by_its_link(api: ApiClient, place: Environment) -> None:
    deployment = factories.deployment_at(Status.SUCCEEDED, of=place)
    write_log(deployment, *[("info", f"line {number}") for number in range(1, 12)])
    url, seen = f"{LIST}/{deployment.short_id}/logs?limit=4", []
    while url:
        body = api.client.get(url, headers=api.headers).json()
        assert body["count"] == len(body["logs"])
        seen += [line["number"] for line in body["logs"]]
        url = body["next"]
    assert seen == list(range(1, 12))


def test_the_log_of_a_running_deployment_says_where_more_will_be(api: ApiClient, place: Environment) -> None:
    deployment = factories.deployment_at(Status.RUNNING, of=place)
    write_log(deployment, ("info", "one"))
    body = api.get(f"{LIST}/{deployment.uuid}/logs").json()
    assert "after=1" in body["next"]
    assert api.client.get(body["next"], headers=api.headers).json()["logs"] == []


def test_the_log_can_be_read_from_a_time_on(api: ApiClient, place: Environment) -> None:
    deployment = factories.deployment_at(Status.RUNNING, of=place)
    for text in ("one", "two", "three"):
        write_log(deployment, ("info", text))
    lines = api.get(f"{LIST}/{deployment.uuid}/logs").json()["logs"]
    later = api.get(f"{LIST}/{deployment.uuid}/logs", after=lines[0]["at"]).json()["logs"]
    assert [line["number"] for line in later] == [
        line["number"] for line in lines if line["at"] > lines[0]["at"]
    ]
    long_ago = (timezone.now() - timedelta(days=1)).isoformat()
    assert len(api.get(f"{LIST}/{deployment.uuid}/logs", after=long_ago).json()["logs"]) == 3
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    assert api.get(f"{LIST}/{deployment.uuid}/logs", after=tomorrow).json()["logs"] == []


def test_only_lines_of_a_level(api: ApiClient, place: Environment) -> None:
    deployment = factories.deployment_at(Status.FAILED, of=place)
    write_log(deployment, ("info", "fine"), ("error", "error: broken"), ("info", "fine"))
    body = api.get(f"{LIST}/{deployment.uuid}/logs", level="error").json()
    assert [line["message"] for line in body["logs"]] == ["error: broken"]
    assert body["next"] is None


def test_the_log_as_text_with_and_without_colours(api: ApiClient, place: Environment) -> None:
    deployment = factories.deployment_at(Status.RUNNING, of=place)
    write_log(deployment, ("info", "\x1b[32mgreen\x1b[0m <script>"))
    plain = api.get(f"{LIST}/{deployment.uuid}/logs", **{"as": "text"})
    assert plain["Content-Type"] == "text/plain; charset=utf-8"
    assert plain.content == b"green <script>\n"
    assert 'rel="next"' in plain["Link"]
    coloured = api.get(f"{LIST}/{deployment.uuid}/logs", **{"as": "ansi"})
    assert coloured.content == b"\x1b[32mgreen\x1b[0m <script>\n"


@pytest.mark.parametrize("after", ["-1", "1.5", "x", "2026-01-31", "2026-01-31T12:00:00", "9" * 30, "１"])
def test_a_wrong_place_in_the_log_is_refused(api: ApiClient, place: Environment, after: str) -> None:
    deployment = factories.deployment_at(Status.RUNNING, of=place)
    is_problem(api.get(f"{LIST}/{deployment.uuid}/logs", after=after), 400)


def test_cancel_and_its_refusal(api: ApiClient, place: Environment) -> None:
    deployment = factories.deployment_at(Status.QUEUED, of=place)
    response = api.post(f"{LIST}/{deployment.short_id}/cancel")
    assert (response.status_code, response.json()["status"]) == (202, "cancelled")
    assert is_problem(api.post(f"{LIST}/{deployment.short_id}/cancel"), 409)["code"] == "finished"


def test_retry_makes_a_new_deployment(api: ApiClient, place: Environment) -> None:
    failed = factories.deployment_at(Status.FAILED, of=place)
    response = api.post(f"{LIST}/{failed.uuid}/retry", {})
    assert response.status_code == 202
    new = Deployment.objects.get(kind="retry")
    assert response["Location"].endswith(str(new.uuid))
    assert new.origin == failed


def test_rollback_and_redeploy(api: ApiClient, place: Environment) -> None:
    old, live = factories.release(place, 1), factories.release(place, 2)
    first = factories.deployment_at(Status.SUCCEEDED, of=place, release=old)
    factories.deployment_at(Status.SUCCEEDED, of=place, release=live)
    Environment.objects.update(live_release=live)
    response = api.post(f"{LIST}/{first.uuid}/rollback", {"release": "v1"})
    assert response.status_code == 202
    assert Deployment.objects.get(kind="rollback").release == old
    is_problem(api.post(f"{LIST}/{first.uuid}/rollback", {"release": "v9"}), 400)
    is_problem(api.post(f"{LIST}/{first.uuid}/rollback", {"release": "x"}), 400)
    assert api.post(f"{LIST}/{first.uuid}/redeploy").status_code == 202


def test_a_decision_takes_no_unknown_fields(api: ApiClient, place: Environment) -> None:
    deployment = factories.deployment_at(Status.QUEUED, of=place)
    is_problem(api.post(f"{LIST}/{deployment.uuid}/cancel", {"force": True}), 400)
    deployment.refresh_from_db()
    assert deployment.status == "queued"


def test_explain_tells_what_happened_why_and_what_to_do(api: ApiClient, place: Environment) -> None:
    deployment = factories.deployment_at(Status.FAILED, of=place, failure_code="dockerfile_missing")
    deployment.steps.filter(number=2).update(status="failed")
    write_log(deployment, ("error", "error: no Dockerfile"))
    body = api.get(f"{LIST}/{deployment.uuid}/explain").json()
    assert body["diagnosis"]["code"] == "dockerfile_missing"
    assert body["diagnosis"]["fix"]
    assert body["step"]["number"] == 2
    assert body["evidence"]["first_error"]["message"] == "error: no Dockerfile"
    allowed = {action["name"]: action["allowed"] for action in body["actions"]}
    assert allowed == {"cancel": False, "retry": True, "redeploy": False, "rollback": False}


@pytest.mark.parametrize("status", list(Status))
def test_explain_has_words_for_every_state(api: ApiClient, place: Environment, status: str) -> None:
    deployment = factories.deployment_at(status, of=place)
    body = api.get(f"{LIST}/{deployment.uuid}/explain").json()
    assert body["outcome"]
    assert body["diagnosis"] is None
