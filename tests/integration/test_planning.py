"""Plans through the API, the page and the command line, with a real repository."""

import json
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from deployments import plan_hashes
from deployments.models import Application, Deployment
from deployments.planning import cloud
from instances.actions import ensure_local_instance
from portal.core.models import User
from tests import factories
from tests.fakes_cloud import FakeMachines
from tests.integration.api_client import ApiClient, is_problem

pytestmark = pytest.mark.django_db
LIST = "/api/v1/deployments"


@pytest.fixture(autouse=True)
def data_dir(settings: Settings, tmp_path: Any) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def url(settings: Settings) -> str:
    return str((settings.EXAMPLES_DIR / "iris-predictor").as_uri())


@pytest.fixture
def ada() -> User:
    ensure_local_instance()
    return factories.user("ada")


@pytest.fixture
def api(ada: User) -> ApiClient:
    return ApiClient(ada)


@pytest.fixture
def visitor(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def everything() -> dict[str, int]:
    return {model._meta.label: model._base_manager.count() for model in apps.get_models()}


def test_plan_1_makes_no_write_and_names_what_comes_of_the_repository(api: ApiClient, url: str) -> None:
    before = everything()
    answer = api.post(f"{LIST}?plan=1", {"git_url": url, "env": {"KEY": "s3cret"}})
    assert answer.status_code == 200
    assert everything() == before
    plan = answer.json()["plan"]
    assert len(plan["commit"]) == 40 and plan["blockers"] == []
    sources = {value["name"]: value["source"] for value in plan["values"]}
    assert sources["Memory (MB)"] == sources["Health path"] == "repo"
    assert sources["Variable KEY"] == "form" and sources["CPUs"] == "default"
    assert "s3cret" not in answer.content.decode()
    assert plan_hashes.is_mark(plan["plan_hash"])


def test_a_plan_for_a_new_machine_asks_aws_nothing_that_writes(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = FakeMachines()
    monkeypatch.setattr(cloud, "machines_in", lambda region: aws)
    before = everything()
    wish = {
        "image": "registry.example.org/a/b:1",
        "name": "churn",
        "target": "ec2",
        "instance_type": "t3.small",
    }
    plan = api.post(f"{LIST}?plan=1", wish).json()["plan"]
    assert everything() == before
    assert set(aws.calls) <= {"resolve_image", "check_image", "subnets", "key_pair", "groups", "validate"}
    assert "machine" in [item["kind"] for item in plan["created"]]
    assert float(plan["cost"]["monthly_delta"]) > 10


def test_the_hash_of_a_plan_deploys_it(api: ApiClient, url: str) -> None:
    mark = api.post(f"{LIST}?plan=1", {"git_url": url}).json()["plan"]["plan_hash"]
    answer = api.post(LIST, {"git_url": url, "plan_hash": mark})
    assert answer.status_code == 202
    assert Deployment.objects.get().options["plan_hash"] == mark


def test_a_changed_state_is_refused_with_409_and_what_changed(api: ApiClient, url: str) -> None:
    api.post(LIST, {"git_url": url})
    Deployment.objects.all().delete()
    mark = api.post(f"{LIST}?plan=1", {"git_url": url}).json()["plan"]["plan_hash"]
    Application.objects.update(memory_mb=2048)
    problem = is_problem(api.post(LIST, {"git_url": url, "plan_hash": mark}), 409)
    assert problem["code"] == "plan_changed" and "the settings" in problem["detail"]
    assert not Deployment.objects.exists()


def test_refusals_are_those_of_a_start(api: ApiClient, url: str) -> None:
    is_problem(api.post(f"{LIST}?plan=1", {"git_url": url, "target": "nowhere"}), 400)
    is_problem(api.post(f"{LIST}?plan=maybe", {"git_url": url}), 400)
    is_problem(api.post(LIST, {"git_url": url, "plan_hash": "x"}), 400)


def test_a_token_that_may_only_read_sees_no_plan(ada: User, url: str) -> None:
    is_problem(ApiClient(ada, "read").post(f"{LIST}?plan=1", {"git_url": url}), 403)


def test_the_page_shows_the_plan_without_scripts_and_deploys_it(visitor: Client, url: str) -> None:
    before = everything()
    shown = visitor.post("/deploy/plan/", {"git_url": url, "source": "git"})
    text = shown.content.decode()
    assert shown.status_code == 200
    assert "<h1>Deploy</h1>" in text and "Deploy this plan" in text and "portal.yml" in text
    assert everything() == before
    mark = shown.context["plan"].plan_hash
    done = visitor.post("/deploy/", {"git_url": url, "source": "git", "plan_hash": mark})
    assert done.status_code == 302
    assert Deployment.objects.get().options["plan_hash"] == mark


def test_with_scripts_only_the_plan_is_sent(visitor: Client, url: str) -> None:
    shown = visitor.post("/deploy/plan/", {"git_url": url, "source": "git"}, headers={"HX-Request": "true"})
    assert "<h1>Deploy</h1>" not in shown.content.decode()
    assert 'id="plan"' in shown.content.decode()


def test_a_plan_that_no_longer_holds_is_said_on_the_page(visitor: Client, url: str) -> None:
    mark = visitor.post("/deploy/plan/", {"git_url": url}).context["plan"].plan_hash
    visitor.post("/deploy/", {"git_url": url})
    Application.objects.update(memory_mb=2048)
    refused = visitor.post("/deploy/", {"git_url": url, "plan_hash": mark})
    assert refused.status_code == 409
    assert "this has changed" in refused.content.decode()


def test_a_form_with_a_mistake_is_marked_instead_of_planned(visitor: Client) -> None:
    shown = visitor.post("/deploy/plan/", {"git_url": "ftp://nowhere", "source": "git"})
    assert shown.status_code == 422
    assert shown.context["form"].errors


def test_the_command_prints_the_plan_and_starts_nothing(ada: User, url: str) -> None:
    out = StringIO()
    call_command("deploy", url, "--plan", "--user", "ada", stdout=out)
    assert "Created" in out.getvalue() and "repo" in out.getvalue()
    out = StringIO()
    call_command("deploy", url, "--plan", "--json", "--user", "ada", stdout=out)
    assert json.loads(out.getvalue())["application"] == "iris-predictor"
    assert not Deployment.objects.exists()


def test_a_hash_that_is_none_is_said_on_the_page(visitor: Client, url: str) -> None:
    refused = visitor.post("/deploy/", {"git_url": url, "plan_hash": "x" * 300})
    assert refused.status_code == 422
    assert "no hash of a plan" in refused.content.decode()


def test_a_plan_asks_for_the_right_to_deploy(url: str) -> None:
    team = factories.team()
    viewer = factories.user("vic", role="viewer", of=team)
    client = Client()
    client.force_login(viewer)
    before = everything()
    shown = client.post("/deploy/plan/", {"git_url": url, "source": "git"})
    assert shown.status_code in (403, 422)
    assert everything() == before
