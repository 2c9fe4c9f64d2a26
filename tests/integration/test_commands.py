"""The commands: data on stdout, words on stderr, and exit codes that scripts can trust."""

import io
import json
import re
import threading
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.utils import timezone

from deployments import logs
from deployments.follow import TooLong, follow
from deployments.models import Deployment, Environment
from deployments.pipeline import claims
from portal.core import tokens
from portal.core.models import AuditEvent, Token, User
from portal.management.commands import deploy as deploy_command
from tests import factories

pytestmark = pytest.mark.django_db
REPOSITORY = "https://github.com/acme/churn"


@pytest.fixture
def root() -> User:
    """A portal admin who is a deployer of a team too: only members deploy."""
    root = factories.portal_admin()
    factories.Membership.objects.create(user=root, team=factories.team("Data"), role="admin")
    return root


@pytest.fixture
def place(root: User) -> Environment:
    team = root.memberships.get().team
    return factories.environment(factories.application("churn", of=team, git_url=REPOSITORY))


def run(*argv: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(*argv, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def end(deployment: Deployment, status: str, *lines: str, **fields: Any) -> None:
    """What a worker does at the end."""
    Deployment.objects.filter(pk=deployment.pk).update(lease_owner="tests", fence=1)
    with transaction.atomic():
        logs.append(claims.Claim(deployment.pk, 1, "tests"), 1, [("info", line) for line in lines])
    Deployment.objects.filter(pk=deployment.pk).update(status=status, finished_at=timezone.now(), **fields)
    logs.ring(deployment)


def test_a_token_is_the_only_thing_on_stdout_and_it_works(root: User) -> None:
    code, out, err = run(
        "token", "create", "--user", "root", "--name", "CI", "--scopes", "read,deploy", "--days", "30"
    )
    assert code == 0
    assert re.fullmatch(r"portal_\w{12}_[\w-]{43}\n", out, re.ASCII)
    token = tokens.verify(out.strip())
    assert (token.user, token.name, token.scopes) == (root, "CI", ["read", "deploy"])
    assert out.strip() not in err
    assert AuditEvent.objects.get(action="token.created").surface == "command"


def test_tokens_are_listed_without_their_text_and_revoked(root: User) -> None:
    _, text, _ = run("token", "create")
    identifier = Token.objects.get().identifier
    _, listed, _ = run("token", "list")
    assert identifier in listed
    assert text.strip() not in listed
    assert run("token", "revoke", identifier)[0] == 0
    assert "ended" in run("token", "list")[1]


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["token", "create", "--user", "nobody"], 3),
        (["token", "create", "--scopes", "root"], 2),
        (["token", "create", "--days", "0"], 2),
        (["token", "create", "--scopes", ""], 2),
        (["token", "revoke", "aaaaaaaaaaaa"], 3),
        (["deploy", "nonsense"], 2),
        (["deploy"], 2),
        (["deploy", REPOSITORY, "--image", "x:1"], 2),
        (["deploy", "--image", "x:1"], 2),
        (["deploy", "--image", "UPPER", "--name", "ready-made"], 2),
        (["deploy", REPOSITORY, "--target", "ec2", "--region", "nowhere"], 2),
        (["deploy", REPOSITORY, "--name", "Not A Name"], 2),
        (["deploy", REPOSITORY, "--target", "nowhere"], 2),
        (["deploy", REPOSITORY, "--port", "0"], 2),
        (["deploy", REPOSITORY, "--branch=--output=x"], 2),
        (["deploy", REPOSITORY, "--user", "nobody"], 3),
        (["deploy", REPOSITORY, "--user", "viewer"], 4),
        (["logs", "00000000"], 3),
        (["logs", "nonsense"], 3),
        (["rollback", "missing"], 3),
        (["rollback", "churn"], 4),
        (["rollback", "churn", "--env", "prod"], 3),
        (["rollback", "churn", "--to", "v9"], 3),
    ],
)
def test_what_goes_wrong_has_its_exit_code_and_a_next_command(
    place: Environment, argv: list[str], code: int
) -> None:
    factories.user("viewer", role="viewer")
    found, out, err = run(*argv)
    assert (found, out) == (code, "")
    assert "Try: manage.py" in err.splitlines()[-1]
    assert not Deployment.objects.exists()


def test_deploy_prints_where_to_look(root: User) -> None:
    code, out, _ = run("deploy", REPOSITORY, "--env", "stage", "--branch", "main", "--port", "8080")
    deployment = Deployment.objects.get()
    assert code == 0
    assert out.strip().endswith(deployment.get_absolute_url())
    assert (deployment.environment.name, deployment.ref, deployment.source) == ("stage", "main", "command")
    assert deployment.application.container_port == 8080
    assert deployment.requested_by == root


def test_deploy_as_json(root: User) -> None:
    _, out, _ = run("deploy", REPOSITORY, "--json")
    assert json.loads(out)["deployment_id"] == str(Deployment.objects.get().uuid)


def test_logs_prints_every_line_once_without_escapes(place: Environment) -> None:
    deployment = factories.deployment_at("running", of=place)
    end(deployment, "failed", "\x1b[31mred\x1b[0m", *[f"line {n}" for n in range(1200)])
    code, out, _ = run("logs", deployment.short_id)
    assert code == 0
    assert out.splitlines() == ["red", *[f"line {n}" for n in range(1200)]]


def test_rollback_starts_the_release_that_is_named(place: Environment) -> None:
    old = factories.release(place, 1)
    factories.deployment_at("succeeded", of=place, release=old)
    Environment.objects.update(live_release=factories.release(place, 2))
    code, out, _ = run("rollback", "churn", "--to", "v1")
    assert code == 0
    deployment = Deployment.objects.get(kind="rollback")
    assert deployment.release == old
    assert out.strip().endswith(deployment.get_absolute_url())


def test_rollback_asks_for_the_environment_where_there_are_several(place: Environment) -> None:
    factories.environment(place.application, "prod")
    code, _, err = run("rollback", "churn")
    assert code == 2
    assert "dev, prod" in err


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("status", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 1), ("rolled_back", 1)]
)
def test_following_shows_lines_as_they_come_and_ends_with_the_url(root: User, status: str, code: int) -> None:
    deployment = {}

    def worker() -> None:
        try:
            while not (found := Deployment.objects.first()):
                threading.Event().wait(0.02)
            deployment["row"] = found
            fields = (
                {"failure_code": "dockerfile_missing"}
                if status == "failed"
                else {"url": "http://127.0.0.1:20000/"}
            )
            end(found, status, "first", "second", **fields)
        finally:
            connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    found, out, err = run("deploy", REPOSITORY, "--follow")
    thread.join(timeout=10)
    assert found == code
    lines = out.splitlines()
    assert lines[:2] == ["first", "second"]
    assert lines[2:] == (["http://127.0.0.1:20000/"] if code == 0 else [])
    assert status.replace("_", " ") in err
    if status == "failed":
        assert "Dockerfile" in err


@pytest.mark.django_db(transaction=True)
def test_interrupting_leaves_the_deployment_and_says_how_to_look_again(root: User, monkeypatch: Any) -> None:
    def interrupted(*_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(deploy_command, "follow_to_end", interrupted)
    code, _, err = run("deploy", REPOSITORY, "--follow")
    deployment = Deployment.objects.get()
    assert code == 130
    assert f"manage.py logs {deployment.short_id} --follow" in err
    assert deployment.status == "queued"


@pytest.mark.django_db(transaction=True)
def test_following_ends_at_its_deadline() -> None:
    deployment = factories.deployment_at("running")
    with pytest.raises(TooLong):
        follow(deployment, line=lambda line: None, deadline_seconds=0.2)


def test_an_image_is_deployed_from_the_terminal(root: User) -> None:
    code, out, _ = run("deploy", "--image", "registry.example.org/app:1", "--name", "ready-made")
    assert code == 0
    deployment = Deployment.objects.get()
    assert deployment.options == {"image": "registry.example.org/app:1"}
    assert deployment.short_id in out
