"""The engine, with a plan of tiny steps and a place where nothing is."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deployments import actions, logs
from deployments.models import Deployment, Environment, Release, Step
from deployments.pipeline import claims, engine, places, plans
from deployments.pipeline.claims import Stale
from deployments.pipeline.context import Context
from deployments.pipeline.places import Place
from deployments.pipeline.progress import DONE, Done, Progress, Skipped, StepFailed, StepSpec, Wait
from deployments.states import Status, StepStatus
from instances.hosts.base import HostError, HostRefused
from instances.models import Instance
from instances.states import Status as InstanceStatus
from portal.core.errors import ActionDenied
from portal.core.models import AuditEvent
from tests import factories

pytestmark = pytest.mark.django_db


class Script:
    """What the tiny steps do, and a record of what was called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.behaviour: dict[str, Callable[[Context], Progress]] = {}
        self.undo: dict[str, Callable[[Context], Progress]] = {}

    def run(self, key: str) -> Callable[[Context], Progress]:
        def call(ctx: Context) -> Progress:
            self.calls.append(key)
            return self.behaviour.get(key, lambda ctx: DONE)(ctx)

        return call

    def take_back(self, key: str) -> Callable[[Context], Progress]:
        def call(ctx: Context) -> Progress:
            self.calls.append(f"undo {key}")
            return self.undo.get(key, lambda ctx: DONE)(ctx)

        return call


class NoHost:
    """A host on which nothing was started."""

    root = "/nowhere"

    def stop_job(self, id: str, *, grace: float = 5) -> None:
        raise AssertionError("no step of these plans starts a job")


def go_live(ctx: Context) -> Progress:
    """What the last real steps leave behind for the ending."""
    if ctx.deployment.release is None:
        number = Release.objects.filter(environment=ctx.environment).count() + 1
        ctx.deployment.release = factories.release(ctx.environment, number, proven=False)
        ctx.claim.update(release=ctx.deployment.release)
    ctx.remember(
        container=f"c-{ctx.deployment.number}",
        host_port=21000,
        public_port=20000,
        url="http://127.0.0.1:20000/",
    )
    return DONE


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    script = Script()
    script.behaviour["live"] = go_live
    specs = [
        StepSpec(key, key.title(), script.run(key), 60, script.take_back(key))
        for key in ("first", "second", "live")
    ]
    place = Place(host=NoHost(), runtimes={}, proxy=None)  # type: ignore[arg-type]
    monkeypatch.setattr(plans, "plan_for", lambda deployment: specs)
    monkeypatch.setattr(plans, "has_undo", lambda key: True)
    monkeypatch.setattr("deployments.actions.deployments.plan_for", lambda deployment: specs)
    monkeypatch.setattr(places, "place_of", lambda instance: place)
    yield script


def drive(rounds: int = 20) -> None:
    """Let one worker take what is due until nothing is."""
    owner = claims.new_owner()
    for _ in range(rounds):
        claim = engine.claim_next(owner)
        if claim is None:
            return
        engine.advance(claim, until=1e12)


def make_due(deployment: Deployment) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def statuses(deployment: Deployment) -> list[str]:
    return list(
        Step.objects.filter(deployment=deployment).order_by("number").values_list("status", flat=True)
    )


def test_the_steps_are_carried_out_in_order_and_the_release_goes_live(script: Script) -> None:
    deployment = factories.deployment_at()
    drive()
    deployment.refresh_from_db()
    environment = Environment.objects.get(pk=deployment.environment_id)
    assert script.calls == ["first", "second", "live"]
    assert deployment.status == Status.SUCCEEDED
    assert environment.live_deployment == deployment
    assert environment.live_release.proven


def test_a_step_that_waits_is_called_again_only_when_its_time_has_come(script: Script) -> None:
    answers: list[Progress] = [Wait(30), DONE]
    script.behaviour["first"] = lambda ctx: answers.pop(0)
    deployment = factories.deployment_at()
    drive()
    assert script.calls == ["first"]
    make_due(deployment)
    drive()
    assert script.calls == ["first", "first", "second", "live"]


def test_messages_and_reasons_of_steps_are_kept(script: Script) -> None:
    script.behaviour["first"] = lambda ctx: Done("it is there")
    script.behaviour["second"] = lambda ctx: Skipped("not needed")
    deployment = factories.deployment_at()
    drive()
    rows = list(Step.objects.filter(deployment=deployment).values_list("status", "message"))
    assert rows[:2] == [("succeeded", "it is there"), ("skipped", "not needed")]


def test_a_failing_step_ends_the_deployment_and_undoes_it_backwards(script: Script) -> None:
    def fail(ctx: Context) -> Progress:
        raise StepFailed("unhealthy", "HTTP 500")

    script.behaviour["second"] = fail
    deployment = factories.deployment_at()
    drive()
    deployment.refresh_from_db()
    assert script.calls == ["first", "second", "undo second", "undo first"]
    assert (deployment.status, deployment.failure_code, deployment.failure_detail) == (
        "failed",
        "unhealthy",
        "HTTP 500",
    )
    assert statuses(deployment) == ["undone", "failed", "skipped"]
    assert deployment.environment.live_release is None


def test_a_deployment_that_had_moved_traffic_ends_rolled_back(script: Script) -> None:
    def fail(ctx: Context) -> Progress:
        ctx.claim.update(traffic_moved=True)
        ctx.deployment.traffic_moved = True
        raise StepFailed("died_after_switch")

    script.behaviour["live"] = fail
    deployment = factories.deployment_at()
    drive()
    deployment.refresh_from_db()
    assert deployment.status == Status.ROLLED_BACK


def test_an_unexpected_error_is_a_failure_and_not_a_loop(script: Script) -> None:
    script.behaviour["first"] = lambda ctx: 1 / 0  # type: ignore[return-value]
    deployment = factories.deployment_at()
    drive()
    deployment.refresh_from_db()
    assert (deployment.status, deployment.failure_code) == ("failed", "internal_error")


def test_a_host_that_does_not_answer_is_asked_again_later(script: Script) -> None:
    def away(ctx: Context) -> Progress:
        raise HostError("no route")

    script.behaviour["first"] = away
    deployment = factories.deployment_at()
    drive()
    deployment.refresh_from_db()
    assert deployment.status == Status.RUNNING
    assert deployment.due_at > timezone.now()
    del script.behaviour["first"]
    make_due(deployment)
    drive()
    deployment.refresh_from_db()
    assert deployment.status == Status.SUCCEEDED


def test_cancelling_a_running_one_undoes_it(script: Script) -> None:
    script.behaviour["second"] = lambda ctx: Wait(60)
    deployment = factories.deployment_at()
    person = factories.user(of=deployment.application.team)
    drive()
    deployment.refresh_from_db()
    actions.cancel(deployment=deployment, by=person)
    drive()
    deployment.refresh_from_db()
    assert deployment.status == Status.CANCELLED
    assert script.calls == ["first", "second", "undo second", "undo first"]
    assert statuses(deployment) == ["undone", "undone", "skipped"]


def test_cancelling_a_queued_one_ends_it_at_once(script: Script) -> None:
    deployment = factories.deployment_at()
    person = factories.user(of=deployment.application.team)
    actions.cancel(deployment=deployment, by=person)
    deployment.refresh_from_db()
    assert deployment.status == Status.CANCELLED
    assert statuses(deployment) == ["skipped"] * 3


def test_a_finished_one_cannot_be_cancelled(script: Script) -> None:
    deployment = factories.deployment_at()
    person = factories.user(of=deployment.application.team)
    drive()
    deployment.refresh_from_db()
    with pytest.raises(ActionDenied):
        actions.cancel(deployment=deployment, by=person)
    assert AuditEvent.objects.filter(action="deployment.cancel", allowed=False).count() == 1


def test_a_cancel_that_comes_while_the_last_step_ends_still_wins(script: Script) -> None:
    """The finish is conditional on the state: whoever writes first decides, and only one end is written."""

    def cancelled_meanwhile(ctx: Context) -> Progress:
        go_live(ctx)
        actions.cancel(deployment=Deployment.objects.get(pk=ctx.deployment.pk), by=person)
        return DONE

    deployment = factories.deployment_at()
    person = factories.user(of=deployment.application.team)
    script.behaviour["live"] = cancelled_meanwhile
    drive()
    deployment.refresh_from_db()
    assert deployment.status == Status.CANCELLED
    assert deployment.environment.live_release is None


def test_a_worker_whose_lease_ended_can_write_no_more(script: Script) -> None:
    deployment = factories.deployment_at()
    slow = engine.claim_next("slow")
    Deployment.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    quick = engine.claim_next("quick")
    assert slow is not None
    assert quick is not None
    assert quick.fence == slow.fence + 1
    step = deployment.steps.first()
    for write in (
        lambda: slow.update(url="http://stale/"),
        lambda: slow.update_step(step, message="stale"),
        lambda: logs.append(slow, 1, [("info", "stale")]),
        slow.check,
        slow.renew,
    ):
        with pytest.raises(Stale):
            write()
    slow.release(wait_seconds=0)
    deployment.refresh_from_db()
    assert deployment.lease_owner == "quick"


def test_nobody_can_claim_what_somebody_holds(script: Script) -> None:
    factories.deployment_at()
    assert engine.claim_next("one") is not None
    assert engine.claim_next("two") is None


def test_the_third_death_in_one_step_fails_it(script: Script) -> None:
    deployment = factories.deployment_at()
    script.behaviour["second"] = lambda ctx: Wait(0.001)
    for death in range(4):
        claim = engine.claim_next(f"worker {death}")
        assert claim is not None
        if death < 3:
            # It begins the second step and dies: the lease is never given back.
            script.behaviour["second"] = lambda ctx: (_ for _ in ()).throw(Stale)
            engine.advance(claim, until=1e12)
            Deployment.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        else:
            engine.advance(claim, until=1e12)
    deployment.refresh_from_db()
    assert (deployment.status, deployment.failure_code) == ("failed", "worker_died")
    assert script.calls.count("second") == 3


def test_a_step_that_takes_too_long_is_failed(script: Script) -> None:
    script.behaviour["first"] = lambda ctx: Wait(0.001)
    deployment = factories.deployment_at(Status.RUNNING)
    Step.objects.filter(deployment=deployment, number=1).update(
        status=StepStatus.RUNNING, started_at=timezone.now() - timedelta(seconds=61)
    )
    drive()
    deployment.refresh_from_db()
    assert (deployment.status, deployment.failure_code) == ("failed", "step_timeout")


def test_a_deployment_that_takes_too_long_is_failed(script: Script, settings: Any) -> None:
    deployment = factories.deployment_at(Status.RUNNING, started_at=timezone.now() - timedelta(seconds=1801))
    drive()
    deployment.refresh_from_db()
    assert (deployment.status, deployment.failure_code) == ("failed", "deployment_timeout")


def test_the_next_one_waits_for_the_running_one(script: Script) -> None:
    environment = factories.environment()
    running = factories.deployment_at(Status.RUNNING, of=environment)
    waiting = factories.deployment_at(of=environment)
    Deployment.objects.filter(pk=running.pk).update(due_at=timezone.now() + timedelta(seconds=60))
    drive()
    waiting.refresh_from_db()
    assert waiting.status == Status.QUEUED
    make_due(running)
    drive()
    waiting.refresh_from_db()
    assert waiting.status == Status.SUCCEEDED


def test_an_instance_carries_no_more_at_once_than_allowed(script: Script, settings: Any) -> None:
    settings.DEPLOYMENTS_PER_INSTANCE = 1
    script.behaviour["first"] = lambda ctx: Wait(60)
    for _ in range(3):
        factories.deployment_at()
    drive()
    assert Deployment.objects.filter(status=Status.RUNNING).count() == 1
    assert Deployment.objects.filter(status=Status.QUEUED).count() == 2


def test_undoing_goes_on_when_one_step_cannot_be_undone(script: Script) -> None:
    def fail(ctx: Context) -> Progress:
        raise StepFailed("unhealthy")

    script.behaviour["live"] = fail
    script.undo["second"] = fail
    deployment = factories.deployment_at()
    drive()
    deployment.refresh_from_db()
    assert deployment.status == Status.FAILED
    assert script.calls[-3:] == ["undo live", "undo second", "undo first"]


def test_an_engine_that_breaks_over_a_deployment_gives_up_on_it(script: Script) -> None:
    """The last step leaves nothing behind, so the ending cannot be written; it must not come back for ever."""
    script.behaviour["live"] = lambda ctx: DONE
    deployment = factories.deployment_at()
    for _ in range(10):
        drive()
        Deployment.objects.filter(pk=deployment.pk, due_at__isnull=False).update(
            due_at=timezone.now() - timedelta(seconds=1)
        )
    deployment.refresh_from_db()
    assert (deployment.status, deployment.failure_code) == ("failed", "internal_error")
    assert "undo first" in script.calls


def test_every_end_is_in_the_audit(script: Script) -> None:
    deployment = factories.deployment_at()
    drive()
    assert (
        AuditEvent.objects.filter(action="deployment.succeeded", object_id=str(deployment.uuid)).count() == 1
    )


def test_a_refusal_of_the_host_ends_the_step_at_once(script: Script) -> None:
    def refuse(ctx: Context) -> Progress:
        raise HostRefused("ssh_host_key_changed", "It shows SHA256:b, pinned is SHA256:a.")

    script.behaviour["second"] = refuse
    deployment = factories.deployment_at()
    drive()
    deployment.refresh_from_db()
    assert (deployment.status, deployment.failure_code) == (Status.FAILED, "ssh_host_key_changed")
    assert "SHA256:b" in deployment.failure_detail


def test_a_machine_that_is_gone_is_not_asked_to_undo_anything(script: Script) -> None:
    def vanish(ctx: Context) -> Progress:
        Instance.objects.filter(pk=ctx.deployment.instance_id).update(
            status=InstanceStatus.TERMINATED, trouble="It ended outside of the portal."
        )
        raise HostError("Connection reset.")

    script.behaviour["second"] = vanish
    deployment = factories.deployment_at()
    drive()
    deployment.refresh_from_db()
    assert (deployment.status, deployment.failure_code) == (Status.FAILED, "instance_gone")
    assert deployment.failure_detail == "It ended outside of the portal."
    assert script.calls == ["first", "second"]


def test_a_silent_machine_is_waited_for_and_what_it_was_away_does_not_count(script: Script) -> None:
    answers: list[Progress | None] = [None, DONE]

    def answer(ctx: Context) -> Progress:
        found = answers.pop(0)
        if found is None:
            raise HostError("No route to host.")
        return found

    script.behaviour["second"] = answer
    deployment = factories.deployment_at()
    Instance.objects.filter(pk=deployment.instance_id).update(kind="server")
    drive()
    step = Step.objects.get(deployment=deployment, key="second")
    assert step.status == StepStatus.RUNNING
    long_ago = timezone.now() - timedelta(seconds=300)
    Step.objects.filter(pk=step.pk).update(
        started_at=long_ago, data={**step.data, "silent_since": long_ago.isoformat()}
    )
    make_due(deployment)
    drive()
    deployment.refresh_from_db()
    assert deployment.status == Status.SUCCEEDED


def test_a_machine_that_stays_silent_fails_the_step_in_the_end(script: Script) -> None:
    def fail(ctx: Context) -> Progress:
        raise HostError("No route to host.")

    script.behaviour["second"] = fail
    deployment = factories.deployment_at()
    Instance.objects.filter(pk=deployment.instance_id).update(kind="server")
    drive()
    step = Step.objects.get(deployment=deployment, key="second")
    long_ago = timezone.now() - timedelta(seconds=700)
    Step.objects.filter(pk=step.pk).update(data={**step.data, "silent_since": long_ago.isoformat()})
    make_due(deployment)
    drive()
    deployment.refresh_from_db()
    assert (deployment.status, deployment.failure_code) == (Status.FAILED, "host_unreachable")
