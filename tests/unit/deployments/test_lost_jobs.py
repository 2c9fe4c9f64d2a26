"""A job that a restart of its machine ended is begun again, a few times; its log goes on without a gap."""

from datetime import timedelta

import pytest
from django.utils import timezone

from deployments import logs
from deployments.models import Deployment, Step
from deployments.pipeline import claims
from deployments.pipeline.context import LOSSES_ALLOWED, Context
from deployments.pipeline.progress import DONE, Progress, StepFailed, Wait
from deployments.states import Status, StepStatus
from instances.hosts.base import LOST
from portal.core.redact import Redactor
from tests import factories
from tests.fakes import FakeHost

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployment() -> Deployment:
    deployment = factories.deployment_at(Status.RUNNING)
    Step.objects.filter(deployment=deployment, key="build").update(
        status=StepStatus.RUNNING, started_at=timezone.now()
    )
    return deployment


def run_job(deployment: Deployment, host: FakeHost) -> Progress:
    """One call of a step that has one job, by a worker that knows only the tables."""
    Deployment.objects.filter(pk=deployment.pk).update(
        due_at=timezone.now() - timedelta(seconds=1), lease_owner="", lease_until=None
    )
    fresh = Deployment.objects.get(pk=deployment.pk)
    claim = claims.take(fresh, owner=claims.new_owner())
    assert claim is not None
    step = Step.objects.get(deployment=fresh, key="build")
    ctx = Context(claim=claim, deployment=fresh, step=step, host=host, redact=Redactor([]), proxy=None)  # type: ignore[arg-type]
    return ctx.job("work", "make all\n")


def end(host: FakeHost, code: int, output: bytes) -> None:
    host.end_job(next(iter(host.jobs)), code, output)


def texts(deployment: Deployment) -> list[str]:
    return [line.text for line in logs.read(Deployment.objects.get(pk=deployment.pk))]


def test_it_is_begun_again_and_what_it_wrote_before_stays(deployment: Deployment) -> None:
    host = FakeHost(outcomes={"work": (b"", None)})
    run_job(deployment, host)
    end(host, LOST, b"half of it\n")
    assert isinstance(run_job(deployment, host), Wait)
    run_job(deployment, host)
    end(host, 0, b"all of it\n")
    assert run_job(deployment, host) == DONE
    said = texts(deployment)
    assert said[0] == "half of it"
    assert "beginning it again" in said[1]
    assert said[2] == "all of it"


def test_it_is_not_begun_for_ever(deployment: Deployment) -> None:
    host = FakeHost(outcomes={"work": (b"", None)})
    for _ in range(LOSSES_ALLOWED):
        run_job(deployment, host)
        end(host, LOST, b"")
        assert isinstance(run_job(deployment, host), Wait)
    run_job(deployment, host)
    end(host, LOST, b"")
    with pytest.raises(StepFailed) as caught:
        run_job(deployment, host)
    assert caught.value.code == "job_lost"
