"""portal.yml as the steps read it from a real Git server, and what reaches the release."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from deployments import plan_hashes
from deployments.actions import set_variable
from deployments.models import Deployment
from deployments.pipeline import names
from deployments.pipeline.run_configs import effective
from deployments.pipeline.steps import source
from deployments.states import Kind
from instances.hosts.local import LocalHost
from tests import factories
from tests.git_server import GitServer
from tests.integration.test_source_steps import FILES, deployment_of, failure_of, go

pytestmark = pytest.mark.django_db

BOTH = (source.validate, source.check_dockerfile)


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path / "root")


@pytest.fixture
def server(tmp_path: Path, settings: Settings) -> Iterator[GitServer]:
    server = GitServer(tmp_path / "public")
    settings.GIT_ALLOWED_HOSTS = [server.base]
    yield server
    server.close()


def read(host: LocalHost, deployment: Deployment) -> str:
    message = [go(host, deployment, spec).message for spec in BOTH][-1]
    deployment.refresh_from_db()
    return message


def test_the_manifest_is_read_beside_the_dockerfile(host: LocalHost, server: GitServer) -> None:
    server.commit("app", {**FILES, "portal.yml": "port: 5000\nmemory_mb: 128\nvariables: {LEVEL: info}\n"})
    deployment = deployment_of(server.url("app"))
    assert read(host, deployment) == "Dockerfile and portal.yml are there; the container port is 5000."
    config = effective(deployment)
    assert (config.container_port, config.memory_mb, config.variables) == (5000, 128, {"LEVEL": "info"})
    assert deployment.facts["container_port"] == 5000


def test_a_dockerfile_that_the_manifest_names_is_the_one_that_counts(
    host: LocalHost, server: GitServer
) -> None:
    files = {"docker/Api": "FROM python:3.11-slim\nEXPOSE 7000\n", "portal.yml": "dockerfile: docker/Api\n"}
    server.commit("app", files)
    deployment = deployment_of(server.url("app"))
    usual = names.image_name(deployment)
    assert "docker/Api and portal.yml are there; the container port is 7000." in read(host, deployment)
    assert names.image_name(deployment).rpartition("-")[2] != usual.rpartition("-")[2]


def test_a_setting_of_a_person_wins(host: LocalHost, server: GitServer) -> None:
    server.commit("app", {**FILES, "portal.yml": "port: 5000\n"})
    deployment = deployment_of(server.url("app"), container_port=9000)
    assert "the container port is 9000" in read(host, deployment)


def test_a_wrong_line_ends_the_deployment_before_anything_is_made(host: LocalHost, server: GitServer) -> None:
    server.commit("app", {**FILES, "portal.yml": "port: 5000\nmodel: churn\n"})
    failure = failure_of(host, deployment_of(server.url("app")), *BOTH)
    assert failure.code == "manifest_invalid"
    assert failure.detail.startswith("portal.yml, line 2: There is no key model.")


def test_a_link_is_not_followed(host: LocalHost, server: GitServer) -> None:
    server.commit("app", FILES)
    (server.folder / "work" / "app" / "portal.yml").symlink_to("/etc/hostname")
    server.commit("app", {})
    failure = failure_of(host, deployment_of(server.url("app")), *BOTH)
    assert (failure.code, failure.detail) == (
        "manifest_invalid", "portal.yml is a link or a folder, not a file."
    )  # fmt: skip


def test_a_variable_that_is_required_has_to_be_set(host: LocalHost, server: GitServer) -> None:
    server.commit("app", {**FILES, "portal.yml": "variables:\n  MODEL_URL: {required: true}\n"})
    deployment = deployment_of(server.url("app"))
    failure = failure_of(host, deployment, *BOTH)
    assert (failure.code, failure.detail) == ("variable_missing", "portal.yml requires MODEL_URL.")
    admin = factories.user(of=deployment.application.team)
    set_variable(environment=deployment.environment, by=admin, key="MODEL_URL", value="s3://x")
    assert "portal.yml are there" in read(host, deployment)


def test_a_retry_takes_the_manifest_of_the_attempt_before_and_the_settings_of_now(
    host: LocalHost, server: GitServer
) -> None:
    server.commit("app", {**FILES, "portal.yml": "port: 5000\nmemory_mb: 128\n"})
    first = deployment_of(server.url("app"))
    read(host, first)
    first.finished_at, first.status = first.created_at, "failed"
    first.save()
    first.application.memory_mb = 300
    first.application.save()
    second = factories.deployment_at(
        "running", of=first.environment, kind=Kind.RETRY, origin=first, commit=first.commit
    )
    read(host, second)
    config = effective(second)
    assert (config.container_port, config.memory_mb) == (5000, 300)
    assert not second.steps.get(key="dockerfile").data.get("jobs")


def test_a_branch_that_moved_after_the_plan_ends_the_deployment_at_its_first_step(
    host: LocalHost, server: GitServer
) -> None:
    planned = server.commit("app", FILES)
    mark = plan_hashes.mark(dict.fromkeys(plan_hashes.PARTS, "") | {"commit": planned})
    deployment = deployment_of(server.url("app"), options={"plan_hash": mark})
    read(host, deployment)
    now = server.commit("app", {"app.py": "later"})
    other = deployment_of(server.url("app"), options={"plan_hash": mark})
    failure = failure_of(host, other, source.validate)
    assert (failure.code, failure.detail) == ("plan_changed", f"The branch is at {now[:7]} now.")
