"""Rows for the pages: applications in every health, deployments in every state, logs, tokens."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from deployments import logs
from deployments.models import Application, Deployment, Environment, Variable
from deployments.pipeline.claims import Claim
from deployments.states import Health, Kind, Status, StepStatus
from instances.models import Instance
from portal.core import tokens
from portal.core.models import Membership, Role, Team, User
from portal.core.secrets import Secret
from tests import factories

SECRET = "canary-7f3a9c"
PASSWORD = "correct horse battery"
SUBJECTS = [
    "Cache the tokenizer",
    "Answer /health before the model is loaded",
    "Pin scikit-learn",
    "Add batch endpoint",
]


@dataclass
class Seed:
    """What tests name of it."""

    root: User
    team: Team
    churn: Application
    dev: Environment
    by_status: dict[str, Deployment]


def seed() -> Seed:
    """A small company on a busy morning."""
    root = factories.portal_admin("root")
    team = factories.team("Data")
    Membership.objects.create(user=root, team=team, role=Role.ADMIN)
    churn, dev, prod = _churn(team, root)
    by_status = _deployments(team, root, dev)
    tokens.create(user=root, name="CI of churn-api", scopes=["read", "deploy"], by=root)
    return Seed(root, team, churn, dev, by_status)


def _churn(team: Team, root: User) -> tuple[Application, Environment, Environment]:
    churn = factories.application(
        "churn-api",
        of=team,
        git_url="https://github.com/acme/churn-api",
        description="Who is about to leave, and why.",
    )
    dev = factories.environment(churn, "dev", branch="main")
    prod = factories.environment(churn, "prod", protected=True)
    machine = Instance.objects.create(
        name="gpu-1",
        kind="server",
        status="running",
        ssh_host="gpu-1.example.org",
        host_keys=["ssh-ed25519 AAAA"],
    )
    factories.environment(churn, "gpu", instance=machine, hostnames=["churn.example.org"], path_prefix="/v1")
    for number in (1, 2, 3):
        release = factories.release(
            dev, number, commit=f"{number}" * 40, commit_subject=SUBJECTS[number], commit_author="Ada"
        )
    _go(
        dev,
        health=Health.HEALTHY,
        url="http://127.0.0.1:20001",
        live_release=release,
        checked_at=timezone.now(),
    )
    _go(
        prod,
        health=Health.UNHEALTHY,
        health_detail="GET /health answered 500.",
        health_since=timezone.now() - timedelta(minutes=14),
        restarts=3,
        live_release=factories.release(prod),
    )
    for key, secret in (("MODEL_PATH", False), ("API_KEY", True), ("DATABASE_URL", True)):
        variable = Variable(environment=dev, key=key, secret=secret, updated_by=root)
        variable.value = Secret(SECRET)
        variable.save()
    return churn, dev, prod


def _deployments(team: Team, root: User, dev: Environment) -> dict[str, Deployment]:
    """One of each state, each in an application of its own, as an environment has one at a time."""
    found = {}
    for index, status in enumerate(Status):
        place = (
            dev
            if status == Status.SUCCEEDED
            else factories.environment(
                factories.application(f"{status.value.replace('_', '-')}-model", of=team)
            )
        )
        fields: dict[str, Any] = {
            "commit": f"{index}" * 40,
            "commit_subject": SUBJECTS[index % 4],
            "requested_by": root,
            "source": "api" if index % 2 else "page",
        }
        if status in (Status.FAILED, Status.ROLLED_BACK):
            fields |= {
                "failure_code": "container_exited",
                "failure_detail": "It ended with exit code 1.",
                "evidence": {"container_log": "ModuleNotFoundError: No module named 'torch'"},
            }
        if status == Status.SUCCEEDED:
            fields |= {"url": "http://127.0.0.1:20001", "kind": Kind.REDEPLOY, "release": dev.live_release}
        row = factories.deployment_at(status, of=place, **fields)
        began = timezone.now() - timedelta(minutes=index * 7 + 1)
        Deployment.objects.filter(pk=row.pk).update(
            started_at=None if status == Status.QUEUED else began, created_at=began
        )
        _steps(
            row,
            done={
                Status.SUCCEEDED: 12,
                Status.RUNNING: 8,
                Status.FAILED: 9,
                Status.ROLLED_BACK: 11,
                Status.CANCELLING: 5,
            }.get(status, 0),
        )
        _log(row)
        if status == Status.SUCCEEDED:
            _go(dev, live_deployment=row)
        found[status.value] = row
    return found


def _steps(row: Deployment, *, done: int) -> None:
    began = timezone.now() - timedelta(minutes=2)
    for step in row.steps.all():
        if step.number <= done:
            skipped = step.key in ("security_group", "provision", "wait_for_ssh") or step.number in (3, 4, 5)
            step.status = StepStatus.SKIPPED if skipped else StepStatus.SUCCEEDED
            step.message = "This machine needs none." if skipped else ""
            step.started_at = began
            step.finished_at = began + timedelta(seconds=step.number * 3)
        elif step.number == done + 1 and row.status in (Status.RUNNING, Status.FAILED, Status.CANCELLING):
            step.status = StepStatus.FAILED if row.status == Status.FAILED else StepStatus.RUNNING
            step.started_at = began
            step.message = "It ended with exit code 1." if row.status == Status.FAILED else ""
        step.save()


def _log(row: Deployment) -> None:
    if row.status in (Status.QUEUED, Status.WAITING_APPROVAL):
        return
    Deployment.objects.filter(pk=row.pk).update(lease_owner="seed", fence=1)
    claim = Claim(row.pk, 1, "seed")
    with transaction.atomic():
        logs.append(claim, 1, [("info", "The repository answers, its newest commit is found.")])
        logs.append(
            claim,
            9,
            [("command", "$ docker build .")]
            + [("info", f"#{n} \x1b[32mRUN\x1b[0m pip install package-{n}") for n in range(40)],
        )
        if row.status == Status.FAILED:
            logs.append(claim, 10, [("error", "ModuleNotFoundError: No module named 'torch'")])
    Deployment.objects.filter(pk=row.pk).update(lease_owner="", fence=2)


def _go(environment: Environment, **fields: Any) -> None:
    Environment.objects.filter(pk=environment.pk).update(**fields)
    environment.refresh_from_db()
