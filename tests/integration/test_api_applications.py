"""Applications, their variables, instances, figures and configuration through the API."""

from typing import Any

import pytest

from deployments.models import Application, Environment, Variable
from instances.actions import ensure_local_instance
from instances.models import Instance
from portal.core.models import Role, User
from tests import factories
from tests.integration.api_client import ApiClient, is_problem, many_deployments

pytestmark = pytest.mark.django_db
LIST = "/api/v1/applications"
CANARY = "canary-5f0c1e7a-never-shown"


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


@pytest.fixture
def api(ada: User) -> ApiClient:
    return ApiClient(ada)


@pytest.fixture
def place(ada: User) -> Environment:
    team = ada.memberships.get().team
    return factories.environment(factories.application("churn", of=team, created_by=ada))


@pytest.fixture
def live(place: Environment) -> Environment:
    Environment.objects.update(live_release=factories.release(place), health="healthy")
    place.refresh_from_db()
    return place


def names(answer: Any) -> list[str]:
    return [row["name"] for row in answer.json()["applications"]]


def test_the_list_shows_where_each_runs_and_how_it_is(api: ApiClient, live: Environment) -> None:
    many_deployments(live, 2)
    (row,) = api.get(LIST).json()["applications"]
    assert (row["name"], row["status"]) == ("churn", "healthy")
    assert row["environments"][0]["release"] == "v1"
    assert row["latest_deployment"]["number"] == 2
    assert row["last_deployed_at"].endswith("Z")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "chu"}, True),
        ({"q": "github.com"}, True),
        ({"q": "zzz"}, False),
        ({"q": "%"}, False),
        ({"q": ""}, True),
        ({"status": "healthy"}, True),
        ({"status": "active"}, True),
        ({"status": "unhealthy"}, False),
        ({"status": "nothing"}, False),
    ],
)
def test_search_and_status(api: ApiClient, live: Environment, query: dict[str, str], found: bool) -> None:
    assert names(api.get(LIST, **query)) == (["churn"] if found else [])


def test_an_application_is_as_well_as_its_worst_environment(api: ApiClient, live: Environment) -> None:
    factories.environment(live.application, "prod", health="unhealthy")
    assert api.get(LIST).json()["applications"][0]["status"] == "unhealthy"
    assert names(api.get(LIST, status="healthy")) == []
    assert names(api.get(LIST, status="failed")) == ["churn"]


def test_an_unknown_status_is_refused(api: ApiClient) -> None:
    is_problem(api.get(LIST, status="burning"), 400)


@pytest.mark.parametrize("pick", [lambda a: a.name, lambda a: str(a.uuid), lambda a: a.uuid.hex])
def test_a_detail_has_the_ten_newest_deployments(api: ApiClient, place: Environment, pick: Any) -> None:
    many_deployments(place, 12)
    body = api.get(f"{LIST}/{pick(place.application)}").json()
    assert body["application"]["name"] == "churn"
    assert [row["number"] for row in body["recent_deployments"]] == list(range(12, 2, -1))


def test_create_change_and_replace(api: ApiClient) -> None:
    body = {"git_url": "https://github.com/acme/churn", "memory_mb": 512, "git_token": CANARY}
    made = api.post(LIST, body)
    assert made.status_code == 201
    assert made["Location"] == "http://testserver/api/v1/applications/churn"
    assert made.json()["application"]["has_git_token"] is True
    assert api.send("PATCH", f"{LIST}/churn", {"memory_mb": 2048}).json()["application"]["memory_mb"] == 2048
    row = Application.objects.get()
    assert row.git_token.reveal() == CANARY
    replaced = api.send("PUT", f"{LIST}/churn", {"git_url": "https://github.com/acme/churn"})
    assert replaced.json()["application"]["memory_mb"] == 1024
    assert all(CANARY not in answer.content.decode() for answer in (made, replaced, api.get(LIST)))


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("POST", LIST, {}, "/git_url"),
        ("POST", LIST, {"git_url": "https://github.com/a/b", "name": "-x"}, "/name"),
        ("POST", LIST, {"git_url": "https://github.com/a/b", "team": "foreign"}, "/team"),
        ("POST", LIST, {"git_url": "https://github.com/a/b", "cpus": "NaN"}, "/cpus"),
        ("POST", LIST, {"git_url": "https://github.com/a/b", "memory_mb": 1}, "/memory_mb"),
        ("POST", LIST, {"git_url": "https://github.com/a/b", "id": 1}, "/id"),
        ("PATCH", f"{LIST}/churn", {"name": "other"}, "/name"),
        ("PATCH", f"{LIST}/churn", {"health_path": "//evil"}, "/health_path"),
        ("PATCH", f"{LIST}/churn", {"dockerfile": "../Dockerfile"}, "/dockerfile"),
        ("PATCH", f"{LIST}/churn", {"team": "x"}, "/team"),
        ("PUT", f"{LIST}/churn", {"memory_mb": 512}, "/git_url"),
    ],
)
def test_refused_fields_are_named(
    api: ApiClient, place: Environment, method: str, path: str, body: Any, pointer: str
) -> None:
    problem = is_problem(api.send(method, path, body), 400)
    assert [entry["pointer"] for entry in problem["errors"]] == [pointer]


def test_what_is_live_is_deleted_with_force_only(api: ApiClient, live: Environment) -> None:
    assert is_problem(api.send("DELETE", f"{LIST}/churn"), 409)["code"] == "live"
    is_problem(api.send("DELETE", f"{LIST}/churn?force=maybe"), 400)
    assert api.send("DELETE", f"{LIST}/churn?force=1").status_code == 204
    is_problem(api.get(f"{LIST}/churn"), 404)


def test_stop_start_restart(api: ApiClient, live: Environment) -> None:
    stopped = api.post(f"{LIST}/churn/stop")
    assert (stopped.status_code, stopped.json()["environment"]["wanted"]) == (202, "stopped")
    assert is_problem(api.post(f"{LIST}/churn/stop"), 409)["code"] == "already_stopped"
    assert (
        api.post(f"{LIST}/churn/start", {"environment": "dev"}).json()["environment"]["wanted"] == "running"
    )
    assert api.post(f"{LIST}/churn/restart").status_code == 202


def test_where_there_are_several_environments_one_has_to_be_named(api: ApiClient, live: Environment) -> None:
    factories.environment(live.application, "prod")
    problem = is_problem(api.post(f"{LIST}/churn/stop"), 400)
    assert "dev, prod" in problem["detail"]
    is_problem(api.post(f"{LIST}/churn/stop", {"environment": "stage"}), 400)
    is_problem(api.get(f"{LIST}/churn/env"), 400)
    assert api.get(f"{LIST}/churn/env", environment="prod").status_code == 200


def test_variables_are_set_listed_and_removed_and_secrets_never_shown(
    api: ApiClient, place: Environment
) -> None:
    stored = api.send("PUT", f"{LIST}/churn/env", {"key": "API_KEY", "value": CANARY})
    api.send("PUT", f"{LIST}/churn/env", {"key": "LEVEL", "value": "debug", "secret": False})
    listed = api.get(f"{LIST}/churn/env")
    rows = {row["key"]: row for row in listed.json()["variables"]}
    assert (rows["API_KEY"]["secret"], rows["API_KEY"]["value"]) == (True, None)
    assert (rows["LEVEL"]["secret"], rows["LEVEL"]["value"]) == (False, "debug")
    assert Variable.objects.get(key="API_KEY").value.reveal() == CANARY
    for answer in (stored, listed, api.get(f"{LIST}/churn"), api.get("/api/v1/deployments")):
        assert CANARY not in answer.content.decode()
    assert api.send("DELETE", f"{LIST}/churn/env?key=API_KEY").status_code == 204
    is_problem(api.send("DELETE", f"{LIST}/churn/env?key=API_KEY"), 404)


def test_a_viewer_sees_no_names_of_variables(place: Environment) -> None:
    viewer = ApiClient(factories.user(role=Role.VIEWER, of=place.application.team))
    is_problem(viewer.get(f"{LIST}/churn/env"), 403)
    assert viewer.get(f"{LIST}/churn").status_code == 200
    is_problem(viewer.post(f"{LIST}/churn/stop"), 403)


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/env"),
        ("POST", "/stop"),
        ("POST", "/start"),
        ("POST", "/restart"),
    ],
)
def test_other_teams_applications_are_not_there(api: ApiClient, method: str, tail: str) -> None:
    foreign = factories.environment(factories.application("foreign")).application
    for identifier in (foreign.name, foreign.uuid, "missing", "0" * 32):
        is_problem(api.send(method, f"{LIST}/{identifier}{tail}"), 404)


def test_instances_and_what_is_on_them(api: ApiClient, place: Environment) -> None:
    factories.environment(factories.application("foreign"))
    Instance.objects.create(name="theirs", kind="server", team=factories.team(), status="running")
    (row,) = api.get("/api/v1/instances").json()["instances"]
    assert (row["name"], row["kind"], row["source"], row["aws_state"]) == ("local", "local", "db_only", None)
    assert api.get("/api/instances", source="db").json()["count"] == 1
    assert api.get("/api/instances", source="aws").json()["instances"] == []
    detail = api.get(f"/api/v1/instances/{row['id']}").json()
    assert [placed["application"] for placed in detail["applications"]] == ["churn"]
    assert api.get("/api/v1/instances/local").json()["instance"] == detail["instance"]


@pytest.mark.parametrize("identifier", ["missing", "theirs", "0" * 32, "x" * 32, "x" * 36])
def test_instances_that_are_not_there_or_not_yours(api: ApiClient, identifier: str) -> None:
    Instance.objects.create(name="theirs", kind="server", team=factories.team(), status="running")
    is_problem(api.get(f"/api/v1/instances/{identifier}"), 404)


def test_figures(api: ApiClient, live: Environment) -> None:
    ensure_local_instance()
    Instance.objects.update(status="running")
    for status, count in {"succeeded": 3, "failed": 2, "rolled_back": 1, "waiting_approval": 1}.items():
        many_deployments(live, count, status=status)
    many_deployments(factories.environment(), 5)
    body = api.get("/api/v1/stats").json()
    assert body["stats"] == {
        "total_applications": 1,
        "active_deployments": 1,
        "failed_deployments": 3,
        "running_instances": 1,
    }
    assert body["deployments"] == {"total": 7, "success": 3, "failed": 3, "in_progress": 1, "cancelled": 0}
    assert body["applications"] == {"total": 1, "active": 1}
    assert body["instances"] == {"total": 1, "running": 1}


def test_the_configuration_is_checked_for_staff_only(api: ApiClient, monkeypatch: Any) -> None:
    is_problem(api.get("/api/config/validate"), 403)
    root = ApiClient(factories.portal_admin(), "admin")
    monkeypatch.setattr("portal.doctor.run", list)
    assert root.get("/api/config/validate").json() == {"valid": True, "errors": []}


def test_a_broken_configuration_is_told_in_sentences(monkeypatch: Any) -> None:
    from portal.checks import Check

    broken = Check("disk", ok=False, detail="1 MB left.", fix="Make room.")
    monkeypatch.setattr("portal.doctor.run", lambda: [Check("database", ok=True, detail=""), broken])
    response = ApiClient(factories.portal_admin(), "read").get("/api/v1/config/validate/")
    assert response.status_code == 400
    assert response.json() == {"valid": False, "errors": ["disk: 1 MB left. Make room."]}
