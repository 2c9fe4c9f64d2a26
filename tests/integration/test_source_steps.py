"""The steps that fetch the source, called as the engine calls them, against a real Git server."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from deployments import logs
from deployments.models import Deployment, Step
from deployments.pipeline import claims
from deployments.pipeline.context import Context
from deployments.pipeline.progress import Done, StepFailed, StepSpec, Wait
from deployments.pipeline.steps import source
from deployments.pipeline.work import _secret_values
from deployments.states import Status, StepStatus
from instances.hosts.local import LocalHost
from portal.core.redact import Redactor
from portal.core.secrets import Secret
from tests import factories
from tests.git_server import GitServer

pytestmark = pytest.mark.django_db

TOKEN = "glpat-canary0123456789canary"
FILES = {
    "Dockerfile": "FROM python:3.11-slim\nEXPOSE 8080\nCMD python app.py\n",
    "app.py": "print('hello')\n",
}


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path / "root")


@pytest.fixture
def server(tmp_path: Path, settings: Settings) -> Iterator[GitServer]:
    server = GitServer(tmp_path / "public")
    settings.GIT_ALLOWED_HOSTS = [server.base]
    yield server
    server.close()


def deployment_of(url: str, *, branch: str = "", token: str = "", **fields: Any) -> Deployment:
    application = factories.application(git_url=url)
    application.git_token = Secret(token)
    for name in ("dockerfile", "container_port"):
        if name in fields:
            setattr(application, name, fields.pop(name))
    application.save()
    return factories.deployment_at(
        Status.RUNNING, of=factories.environment(application, branch=branch), **fields
    )


def go(host: LocalHost, deployment: Deployment, spec: StepSpec) -> Done:
    """Call a step again and again until it says done, each time with what the tables hold."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        progress = call(host, deployment, spec)
        if isinstance(progress, Wait):
            time.sleep(min(progress.seconds, 0.05))
            continue
        assert isinstance(progress, Done)
        return progress
    raise AssertionError(f"{spec.key} did not end")


def call(host: LocalHost, deployment: Deployment, spec: StepSpec) -> object:
    Deployment.objects.filter(pk=deployment.pk).update(
        due_at=timezone.now(), lease_owner="", lease_until=None
    )
    Step.objects.filter(deployment=deployment, key=spec.key, started_at=None).update(
        started_at=timezone.now(), status=StepStatus.RUNNING
    )
    fresh = Deployment.objects.select_related("application__team", "environment", "instance").get(
        pk=deployment.pk
    )
    claim = claims.take(fresh, owner=claims.new_owner())
    assert claim is not None
    context = Context(
        claim=claim, deployment=fresh, step=Step.objects.get(deployment=fresh, key=spec.key), host=host,
        redact=Redactor(_secret_values(fresh)), proxy=None,  # type: ignore[arg-type]
    )  # fmt: skip
    return spec.run(context)


def failure_of(host: LocalHost, deployment: Deployment, *specs: StepSpec) -> StepFailed:
    with pytest.raises(StepFailed) as failure:
        for spec in specs:
            go(host, deployment, spec)
    return failure.value


def log_of(deployment: Deployment) -> str:
    return "\n".join(line.text for line in logs.read(Deployment.objects.get(pk=deployment.pk)))


ALL = (source.validate, source.check_dockerfile, source.clone)


def test_the_three_steps_find_read_and_fetch_the_commit(host: LocalHost, server: GitServer) -> None:
    commit = server.commit("app", FILES, message="Add a model")
    deployment = deployment_of(server.url("app"))
    messages = [go(host, deployment, spec).message for spec in ALL]
    deployment.refresh_from_db()
    facts = deployment.facts
    assert (deployment.commit, deployment.ref, deployment.commit_subject) == (commit, "main", "Add a model")
    assert (facts["default_branch"], facts["container_port"], facts["commit_author"]) == ("main", 8080, "Ada")
    assert (Path(host.root) / facts["checkout"] / "app.py").exists()
    assert messages[0] == f"main is at {commit[:7]}."
    assert commit in log_of(deployment)


def test_every_step_may_be_called_again_after_it_is_done(host: LocalHost, server: GitServer) -> None:
    server.commit("app", FILES)
    deployment = deployment_of(server.url("app"))
    for spec in ALL:
        go(host, deployment, spec)
        go(host, deployment, spec)
    assert len(list((Path(host.root) / "checkouts" / deployment.application.uuid.hex).iterdir())) == 1


def test_the_commit_is_found_once_whatever_is_pushed_later(host: LocalHost, server: GitServer) -> None:
    first = server.commit("app", FILES)
    deployment = deployment_of(server.url("app"))
    go(host, deployment, source.validate)
    server.commit("app", {"Dockerfile": "FROM x\nEXPOSE 9\n", "app.py": "later"})
    for spec in ALL:
        go(host, deployment, spec)
    deployment.refresh_from_db()
    assert deployment.commit == first
    assert deployment.facts["container_port"] == 8080
    assert (Path(host.root) / deployment.facts["checkout"] / "app.py").read_text() == FILES["app.py"]


def test_a_retry_needs_no_server_for_what_the_first_attempt_found(host: LocalHost, server: GitServer) -> None:
    server.commit("app", FILES)
    first = deployment_of(server.url("app"))
    for spec in ALL:
        go(host, first, spec)
    server.close()
    first.refresh_from_db()
    Deployment.objects.filter(pk=first.pk).update(status=Status.FAILED)
    retry = factories.deployment_at(
        Status.RUNNING, of=first.environment, origin=first, commit=first.commit, ref=first.ref, kind="retry"
    )
    for spec in ALL:
        go(host, retry, spec)
    retry.refresh_from_db()
    assert retry.facts["checkout"] == first.facts["checkout"]
    assert retry.facts["container_port"] == 8080


def test_a_tag_and_a_commit_id_are_deployed_like_a_branch(host: LocalHost, server: GitServer) -> None:
    first = server.commit("app", FILES)
    server.commit("app", {"app.py": "later"})
    for ref in (first, first.upper()):
        deployment = deployment_of(server.url("app"), ref=ref)
        for spec in ALL:
            go(host, deployment, spec)
        deployment.refresh_from_db()
        assert deployment.commit == first


def test_the_application_decides_the_port_before_the_dockerfile(host: LocalHost, server: GitServer) -> None:
    server.commit("app", FILES)
    deployment = deployment_of(server.url("app"), container_port=5000)
    go(host, deployment, source.validate)
    go(host, deployment, source.check_dockerfile)
    deployment.refresh_from_db()
    assert deployment.facts["container_port"] == 5000


def test_an_unknown_branch_names_those_that_exist(host: LocalHost, server: GitServer) -> None:
    server.commit("app", FILES)
    failure = failure_of(host, deployment_of(server.url("app"), branch="develop"), source.validate)
    assert failure.code == "branch_not_found"
    assert failure.detail == "There is no develop. The branches are main."


def test_a_repository_without_commits_is_named(host: LocalHost, server: GitServer) -> None:
    import subprocess

    subprocess.run(
        ["git", "init", "-q", "--bare", str(server.folder / "acme" / "new.git")], check=True, timeout=10
    )
    failure = failure_of(host, deployment_of(server.url("new")), source.validate)
    assert failure.code == "repository_empty"


def test_a_missing_dockerfile_is_said_before_anything_is_made(host: LocalHost, server: GitServer) -> None:
    server.commit("app", {"docker/Dockerfile": "FROM x\n"})
    failure = failure_of(host, deployment_of(server.url("app")), source.validate, source.check_dockerfile)
    assert failure.code == "dockerfile_missing"
    assert "Found instead: docker/Dockerfile." in failure.detail
    assert not (Path(host.root) / "checkouts").exists()


def test_a_dockerfile_that_cannot_be_read_names_the_line(host: LocalHost, server: GitServer) -> None:
    server.commit("app", {"Dockerfile": "FROM python\nNONSENSE here\n"})
    failure = failure_of(host, deployment_of(server.url("app")), source.validate, source.check_dockerfile)
    assert failure.code == "dockerfile_invalid"
    assert "line 2" in failure.detail


def test_a_repository_that_is_not_there_is_asked_for_twice(host: LocalHost, server: GitServer) -> None:
    deployment = deployment_of(f"{server.base}/acme/nothing")
    failure = failure_of(host, deployment, source.validate)
    assert failure.code == "repository_not_found"
    assert "Asking again with .git" in log_of(deployment)


def test_a_server_that_left_the_list_is_no_longer_asked(
    host: LocalHost, server: GitServer, settings: Settings
) -> None:
    server.commit("app", FILES)
    deployment = deployment_of(server.url("app"))
    settings.GIT_ALLOWED_HOSTS = ["github.com"]
    assert failure_of(host, deployment, source.validate).code == "git_host_refused"


def test_a_token_that_was_refused_is_not_a_missing_repository(
    host: LocalHost, tmp_path: Path, settings: Settings
) -> None:
    server = GitServer(tmp_path / "private", token=TOKEN)
    settings.GIT_ALLOWED_HOSTS = [server.base]
    commit = server.commit("app", FILES)
    assert failure_of(host, deployment_of(server.url("app")), source.validate).code == "repository_not_found"
    wrong = deployment_of(server.url("app"), token="glpat-wrongwrongwrong")
    assert failure_of(host, wrong, source.validate).code == "git_auth_failed"
    right = deployment_of(server.url("app"), token=TOKEN)
    for spec in ALL:
        go(host, right, spec)
    right.refresh_from_db()
    assert right.commit == commit
    assert TOKEN not in log_of(right)
    assert TOKEN not in str(right.facts)
    assert not any(
        TOKEN.encode() in path.read_bytes() for path in Path(host.root).rglob("*") if path.is_file()
    )
    server.close()


def test_an_example_is_deployed_from_a_snapshot(host: LocalHost, settings: Settings, tmp_path: Path) -> None:
    settings.EXAMPLES_DIR, settings.DATA_DIR = tmp_path / "examples", tmp_path / "data"
    folder = settings.EXAMPLES_DIR / "iris"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    deployment = deployment_of(f"file://{folder}")
    for spec in ALL:
        go(host, deployment, spec)
    deployment.refresh_from_db()
    assert deployment.ref == "main"
    assert (Path(host.root) / deployment.facts["checkout"] / "app.py").read_text() == FILES["app.py"]
