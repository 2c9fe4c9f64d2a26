"""How a deployment ends: well, or by undoing what was done, one step at a time."""

import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from deployments import logs
from deployments.models import Deployment, Environment, Release, Step
from deployments.pipeline import evidence, hooks, plans
from deployments.pipeline.claims import Claim, Stale
from deployments.pipeline.failures import explain
from deployments.pipeline.progress import DONE, StepFailed, Wait
from deployments.pipeline.work import Work
from deployments.states import TRANSITIONS, Health, Status, StepStatus, Wanted
from instances import ports
from instances.hosts.base import HostError, HostRefused
from portal.core import audit
from portal.core.clock import database_now
from portal.core.states import WrongState, move

logger = logging.getLogger(__name__)

UNDO_SECONDS = 120
NOBODY_THERE = ("instance_gone", "host_unreachable")
# What these did is taken back without asking the host.
WITHOUT_HOST = ("security_group", "instance")


def fail_step(work: Work, step: Step | None, failure: StepFailed) -> None:
    """Write down what went wrong, then begin to undo."""
    explanation = explain(failure.code)
    detail = work.redact(failure.detail)
    if step is not None:
        work.context(step).say(f"{explanation.title}. {detail}".strip(), level="error")
        if step.status in (StepStatus.PENDING, StepStatus.RUNNING):
            message = f"{explanation.title}. {detail}".strip()[:500]
            work.claim.update_step(step, status=StepStatus.FAILED, message=message, finished_at=Now())
    found = {**_gathered(work, step, failure), **failure.evidence}
    begin(
        work.claim, work.deployment, ending=Status.FAILED, failure_code=failure.code, failure_detail=detail,
        evidence={**work.deployment.evidence, **_masked(work, found)},
    )  # fmt: skip


def _gathered(work: Work, step: Step | None, failure: StepFailed) -> dict[str, Any]:
    """What the machine can tell about it, where there is one that answers."""
    silent = failure.code in ("host_unreachable", "instance_gone") or failure.code.startswith(
        ("ssh_", "aws_")
    )
    if step is None or silent or plans.spec_of(work.deployment, step.key).at_desk:
        return {}
    return evidence.collect(work.context(step), container="container" in work.deployment.facts)


def _masked(work: Work, value: Any) -> Any:
    """Evidence comes from outside; whatever it holds, no secret of this deployment stays in it."""
    if isinstance(value, str):
        return work.redact(value)
    if isinstance(value, dict):
        return {key: _masked(work, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(work, part) for part in value]
    return value


def begin(claim: Claim, deployment: Deployment, *, ending: str, **changes: Any) -> None:
    """From here on the deployment is only undone."""
    now = database_now()
    undo_until = now + timedelta(seconds=UNDO_SECONDS)
    deployment.facts = {
        **deployment.facts,
        "undo_from": now.isoformat(),
        "undo_until": undo_until.isoformat(),
    }
    claim.update(ending=ending, facts=deployment.facts, **changes)
    deployment.ending = ending
    for name, value in changes.items():
        setattr(deployment, name, value)
    logs.ring(deployment)


def undo_next(work: Work) -> float | None:
    """Undo one more step; the seconds to wait, or None when the deployment has ended."""
    deployment = work.deployment
    steps = list(Step.objects.filter(deployment=deployment).order_by("-number"))
    out_of_time = database_now().isoformat() > deployment.facts["undo_until"]
    # With the machine everything on it has gone; only the machine itself may be left to clean up.
    nobody_there = deployment.failure_code in NOBODY_THERE
    for step in steps:
        if step.started_at is None or step.data.get("undone"):
            continue
        hopeless = out_of_time or (nobody_there and step.key not in WITHOUT_HOST)
        wait = 0.0 if hopeless else _undo(work, step)
        if wait > 0:
            return wait
        _mark_undone(work, step)
    wait = 0.0 if out_of_time or nobody_there else _tell_application(work, steps)
    if wait > 0:
        return wait
    _finish(work)
    return None


def _tell_application(work: Work, steps: list[Step]) -> float:
    """Run the application's own command for failures, in the name of the step that failed."""
    failed = next((step for step in steps if step.status == StepStatus.FAILED), None)
    if failed is None or plans.spec_of(work.deployment, failed.key).at_desk:
        return 0
    progress = hooks.run_on_failure(work.context(failed))
    return progress.seconds if isinstance(progress, Wait) else 0


def succeed(work: Work) -> None:
    """The point of no return: the deployment succeeded and its release is what is live, in one transaction."""
    deployment, claim = work.deployment, work.claim
    release = deployment.release
    assert release is not None
    facts = deployment.facts
    try:
        with transaction.atomic():
            move(
                deployment, to=Status.SUCCEEDED, transitions=TRANSITIONS,
                where={"fence": claim.fence, "lease_owner": claim.owner, "ending": ""},
                finished_at=timezone.now(), due_at=None, lease_owner="", lease_until=None, url=facts["url"],
            )  # fmt: skip
            Environment.objects.filter(pk=deployment.environment_id).update(
                live_deployment=deployment, live_release=release, live_container=facts["container"],
                live_port=facts["host_port"], url=facts["url"], public_port=facts["public_port"],
                wanted=Wanted.RUNNING, restart_asked=False, health=Health.HEALTHY, health_detail="",
                health_since=Now(), checked_at=Now(), failures=0, next_restart_at=None,
                # The watch retires the version before as soon as it has answered its last request.
                next_check_at=Now(),
            )  # fmt: skip
            Release.objects.filter(pk=release.pk).update(proven=True)
            _audit(deployment)
    except WrongState:
        # Somebody cancelled a moment ago; the next slice undoes everything.
        claim.release(wait_seconds=0)
        return
    logs.ring(deployment)
    work.forget_jobs()


def _undo(work: Work, step: Step) -> float:
    """Stop what the step left running, then take back what it did."""
    ctx = work.context(step)
    spec = plans.spec_of(work.deployment, step.key)
    try:
        ctx.stop_jobs()
        progress = spec.undo(ctx) if spec.undo is not None else DONE
    except (StepFailed, HostRefused) as failure:
        ctx.say(f"Could not be undone: {getattr(failure, 'detail', '') or failure}", level="warning")
        return 0
    except (Stale, HostError):
        raise
    except Exception:
        logger.exception("%s: undoing %s broke", work.deployment, step.key)
        ctx.say("Could not be undone; see the portal's own log.", level="warning")
        return 0
    return progress.seconds if isinstance(progress, Wait) else 0


def _mark_undone(work: Work, step: Step) -> None:
    changes: dict[str, Any] = {"data": {**step.data, "undone": True}}
    if step.status == StepStatus.RUNNING:
        changes |= {"status": StepStatus.UNDONE, "finished_at": Now(), "message": "Stopped and taken back."}
    elif step.status == StepStatus.SUCCEEDED and plans.has_undo(step.key):
        changes |= {"status": StepStatus.UNDONE, "message": "Taken back."}
    with transaction.atomic():
        work.claim.update_step(step, **changes)
        logs.seal(work.claim, step.number)


def _finish(work: Work) -> None:
    """Everything is undone: the deployment has ended."""
    write_end(work.claim, work.deployment)
    work.forget_jobs()


def write_end(claim: Claim, deployment: Deployment) -> None:
    """Write the end that was decided when the undoing began."""
    deployment.refresh_from_db(fields=["status"])
    end = deployment.ending
    if deployment.status == Status.CANCELLING:
        end = Status.CANCELLED
    elif deployment.traffic_moved:
        end = Status.ROLLED_BACK
    with transaction.atomic():
        Step.objects.filter(deployment=deployment, status=StepStatus.PENDING).update(
            status=StepStatus.SKIPPED, message="Not reached."
        )
        move(
            deployment, to=end, transitions=TRANSITIONS,
            where={"fence": claim.fence, "lease_owner": claim.owner},
            finished_at=timezone.now(), due_at=None, lease_owner="", lease_until=None,
        )  # fmt: skip
        ports.release(deployment.instance, holder=deployment.uuid)
        Environment.objects.filter(pk=deployment.environment_id, live_release__isnull=False).update(
            next_check_at=Now()
        )
        _audit(deployment)
    logs.ring(deployment)


def _audit(deployment: Deployment) -> None:
    audit.record(
        f"deployment.{deployment.status}", deployment, by=None, team=deployment.application.team,
        commit=deployment.commit, failure=deployment.failure_code,
    )  # fmt: skip
