"""Environments, releases, images and comparisons through the API."""

from typing import Any

import pytest

from deployments.models import Deployment, Environment
from deployments.states import Status
from instances.models import Instance
from instances.states import Kind
from instances.states import Status as InstanceStatus
from portal.core.models import Role, User
from portal.core.secrets import Secret
from tests import factories
from tests.integration.api_client import ApiClient, is_problem

pytestmark = pytest.mark.django_db
LIST = "/api/v1/applications/churn/environments"
CANARY = "canary-5f0c1e7a-never-shown"


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


@pytest.fixture
def api(ada: User) -> ApiClient:
    return ApiClient(ada)


@pytest.fixture
def gpu() -> Instance:
    return Instance.objects.create(
        name="gpu-1", kind=Kind.SERVER, status=InstanceStatus.RUNNING, ssh_host="gpu-1.example.org",
        host_keys=["ssh-ed25519 AAAA"],
    )  # fmt: skip


@pytest.fixture
def place(ada: User, gpu: Instance) -> Environment:
    team = ada.memberships.get().team
    return factories.environment(factories.application("churn", of=team, created_by=ada), instance=gpu)


def errors(answer: Any) -> dict[str, str]:
    return {row["pointer"].rpartition("/")[2]: row["detail"] for row in is_problem(answer, 400)["errors"]}


def test_an_environment_is_made_changed_and_shown(api: ApiClient, place: Environment) -> None:
    body = {"name": "prod", "instance": "gpu-1", "hostnames": ["Churn.example.org"], "https": True}
    made = api.post(LIST, body)
    assert made.status_code == 201, made.content
    assert made["Location"].endswith("/applications/churn/environments/prod")
    change = {"proxy_options": {"body_mb": 100}, "basic_auth": f"ada:{CANARY}", "on_failure": "stop"}
    changed = api.send("PATCH", f"{LIST}/prod", change)
    assert changed.status_code == 200, changed.content
    seen = api.get(f"{LIST}/prod")
    row = seen.json()["environment"]
    assert row["hostnames"] == ["churn.example.org"]
    assert row["proxy_options"]["body_mb"] == 100
    assert (row["has_basic_auth"], row["on_failure"], row["https"]) == (True, "stop", True)
    for answer in (made, changed, seen, api.get(LIST)):
        assert CANARY not in answer.content.decode()
    assert [row["name"] for row in api.get(LIST).json()["environments"]] == ["dev", "prod"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hostnames": ["*.example.org"]}, "hostnames"),
        ({"path_prefix": "/.portal"}, "path_prefix"),
        ({"https": True}, "https"),
        ({"proxy_options": {"body_mb": 0}}, "proxy_options"),
        ({"basic_auth": "nobody"}, "basic_auth"),
        ({"instance": "nowhere"}, "instance"),
        ({"public_port": 443}, "public_port"),
        ({"on_failure": "burn"}, "on_failure"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_refused_change_names_its_field(
    api: ApiClient, place: Environment, change: dict[str, Any], field: str
) -> None:
    assert field in errors(api.send("PATCH", f"{LIST}/dev", change))


def test_a_viewer_looks_and_changes_nothing(place: Environment) -> None:
    viewer = ApiClient(factories.user(role=Role.VIEWER, of=place.application.team))
    assert viewer.get(f"{LIST}/dev").status_code == 200
    is_problem(viewer.send("PATCH", f"{LIST}/dev", {"branch": "x"}), 403)
    stranger = ApiClient(factories.user())
    is_problem(stranger.get(f"{LIST}/dev"), 404)
    is_problem(stranger.send("PATCH", f"{LIST}/dev", {"branch": "x"}), 404)


def test_hooks_and_build_arguments_are_set_and_shown(api: ApiClient, place: Environment) -> None:
    url = "/api/v1/applications/churn"
    body = {"hooks": {"pre_deploy": "python migrate.py"}, "build_args": {"V": "1"}, "context": "services/api"}
    row = api.send("PATCH", url, body).json()["application"]
    assert (row["hooks"], row["build_args"], row["context"]) == (
        body["hooks"],
        body["build_args"],
        "services/api",
    )
    assert "hooks" in errors(api.send("PATCH", url, {"hooks": {"pre_deploy": "a\nb"}}))
    assert "build_args" in errors(api.send("PATCH", url, {"build_args": {"1A": "x"}}))


def test_an_image_is_deployed(api: ApiClient) -> None:
    body = {"image": "registry.example.org/team/app:1.2", "name": "ready-made"}
    answer = api.post("/api/v1/deployments", body)
    assert answer.status_code == 202, answer.content
    assert Deployment.objects.get().options == {"image": body["image"]}
    assert "name" in errors(api.post("/api/v1/deployments", {"image": "x:1"}))
    both = {"image": "x:1", "git_url": "https://github.com/a/b"}
    assert "github_url" in errors(api.post("/api/v1/deployments", both))


def test_options_of_one_deployment(api: ApiClient) -> None:
    body = {
        "git_url": "https://github.com/acme/churn",
        "no_cache": True,
        "build_args": {"V": "2"},
        "context": "api",
    }
    assert api.post("/api/v1/deployments", body).status_code == 202
    deployment = Deployment.objects.get()
    assert deployment.options == {"no_cache": True, "build_args": {"V": "2"}}
    assert deployment.application.context == "api"


def test_a_release_is_kept_for_good(api: ApiClient, place: Environment) -> None:
    factories.release(place, 1)
    url = "/api/v1/applications/churn/releases"
    assert api.get(url).json()["releases"][0]["protected"] is False
    answer = api.send("PATCH", f"{url}/v1", {"protected": True})
    assert answer.json()["release"]["protected"] is True
    assert api.get(url).json()["releases"][0]["protected"] is True
    is_problem(api.send("PATCH", f"{url}/v9", {"protected": True}), 404)


@pytest.fixture
def two(ada: User) -> tuple[Deployment, Deployment]:
    place = factories.environment(factories.application(of=ada.memberships.get().team))
    before = factories.release(
        place, 1, image_size=100, memory_mb=256, commit="a" * 40, commit_subject="First"
    )
    after = factories.release(
        place, 2, image_size=150, memory_mb=512, commit="b" * 40, commit_subject="Second"
    )
    for release, text in ((before, '{"KEY": "%s", "GONE": "1"}'), (after, '{"KEY": "%s-2", "NEW": "1"}')):
        release.variables = Secret(text % CANARY)
        release.save()
    return (
        factories.deployment_at(Status.SUCCEEDED, of=place, release=before),
        factories.deployment_at(Status.SUCCEEDED, of=place, release=after),
    )


def test_two_deployments_are_compared_by_names_only(
    api: ApiClient, two: tuple[Deployment, Deployment]
) -> None:
    first, second = two
    answer = api.get(f"/api/v1/deployments/{second.uuid}/compare", **{"with": first.short_id})
    assert answer.status_code == 200, answer.content
    found = answer.json()["comparison"]
    assert (found["before"]["number"], found["after"]["number"]) == (first.number, second.number)
    assert found["variables"] == {"added": ["NEW"], "removed": ["GONE"], "changed": ["KEY"]}
    assert [row["subject"] for row in found["commits"]] == ["Second", "First"]
    assert found["growth"] == 50
    assert {"name": "Memory (MB)", "before": "256", "after": "512"} in found["settings"]
    assert CANARY not in answer.content.decode()
    swapped = api.get(f"/api/v1/deployments/{first.uuid}/compare", **{"with": str(second.uuid)})
    assert swapped.json() == answer.json()
    assert api.get(f"/api/v1/deployments/{second.uuid}/compare").json() == answer.json()


def test_names_of_variables_are_for_those_who_may_see_them(two: tuple[Deployment, Deployment]) -> None:
    viewer = ApiClient(factories.user(role=Role.VIEWER, of=two[0].application.team))
    answer = viewer.get(f"/api/v1/deployments/{two[1].uuid}/compare")
    assert answer.json()["comparison"]["variables"] is None
    assert "GONE" not in answer.content.decode()


def test_only_deployments_of_one_application_are_compared(
    api: ApiClient, two: tuple[Deployment, Deployment], ada: User
) -> None:
    url = f"/api/v1/deployments/{two[0].uuid}/compare"
    other = factories.deployment_at(
        Status.SUCCEEDED, of=factories.environment(factories.application(of=ada.memberships.get().team))
    )
    foreign = factories.deployment_at(Status.SUCCEEDED)
    for wanted in (other.short_id, foreign.short_id, two[0].short_id, "zzz", "ffffffff"):
        problem = is_problem(api.get(url, **{"with": wanted}), 400)
        assert "with" in str(problem["errors"])
