"""A new machine in the place of one that is gone; never silently, never for one that is there."""

import pytest

from deployments import actions
from deployments.models import Environment
from instances.models import Instance
from instances.states import Kind, Status
from portal.core.errors import ActionDenied
from tests import factories

pytestmark = pytest.mark.django_db


def lost(name: str = "box", **fields: object) -> Environment:
    environment = factories.environment()
    machine = Instance.objects.create(
        name=name, kind=Kind.EC2, status=Status.TERMINATED, region="us-east-1", instance_type="t3.small",
        volume_gb=30, **fields,
    )  # fmt: skip
    environment.instance = machine
    environment.live_release = factories.release(environment, 1)
    environment.save()
    return environment


def test_a_machine_like_the_one_that_is_gone_is_planned_and_the_live_commit_deployed() -> None:
    environment = lost()
    release = environment.live_release
    by = factories.user(of=environment.application.team)
    started = actions.replace_machine(environment=environment, by=by)
    environment.refresh_from_db()
    new = environment.instance
    assert (new.name, new.status, new.instance_type, new.volume_gb) == ("box-2", "pending", "t3.small", 30)
    assert started.deployment.instance == new
    assert release is not None
    assert started.deployment.ref == release.commit
    assert environment.live_release is None


def test_two_environments_of_one_lost_machine_share_the_new_one() -> None:
    first = lost()
    second = factories.environment(first.application, "stage", instance=first.instance)
    for environment in (first, second):
        by = factories.user(of=environment.application.team)
        actions.replace_machine(environment=environment, by=by)
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.instance == second.instance


def test_a_machine_that_is_there_is_not_replaced() -> None:
    environment = lost()
    Instance.objects.filter(pk=environment.instance_id).update(status=Status.RUNNING)
    environment.instance.refresh_from_db()
    by = factories.user(of=environment.application.team)
    with pytest.raises(ActionDenied):
        actions.replace_machine(environment=environment, by=by)
    assert Instance.objects.filter(kind=Kind.EC2).count() == 1
