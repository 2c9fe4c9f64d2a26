"""Claims the deployments that are due and advances each by one short slice."""

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, Min, OuterRef, Q
from django.db.models.functions import Now

from deployments import logs
from deployments.models import Deployment, Step
from deployments.pipeline import absences, claims, endings, kill_points, plans
from deployments.pipeline.claims import Claim, Stale
from deployments.pipeline.progress import Done, Progress, Skipped, StepFailed, StepSpec, Wait
from deployments.pipeline.work import Work, open_work
from deployments.states import ACTIVE, Status, StepStatus
from instances.hosts.base import HostError, HostRefused
from portal.core.clock import database_now
from portal.core.logcontext import about_deployment

logger = logging.getLogger(__name__)

SLICE_SECONDS = 1.0
CANDIDATES = 10
DEATHS_ALLOWED = 2
HOST_TROUBLE_SECONDS = 3.0
# How often the engine itself may break over one deployment before it is undone, and the pause between.
MISHAPS_ALLOWED = 3
MISHAP_SECONDS = 2.0
LOOK_SECONDS = 0.1


def take_turn(owner: str, deadline: float) -> bool:
    """Advance one deployment that is due by one slice; tell whether there was one."""
    claim = claim_next(owner)
    if claim is None:
        return False
    advance(claim, until=min(deadline, time.monotonic() + SLICE_SECONDS))
    return True


def seconds_to_next() -> float | None:
    """How long until something may be due; None when nothing is under way or could begin."""
    if not Deployment.objects.filter(status__in=(*ACTIVE, Status.QUEUED)).exists():
        return None
    # What somebody holds, or what waits for its turn, becomes free at a moment that nobody knows.
    unclaimed = Deployment.objects.filter(status__in=ACTIVE, lease_owner="")
    due_at: datetime | None = unclaimed.aggregate(first=Min("due_at"))["first"]
    if due_at is None:
        return LOOK_SECONDS
    return min(LOOK_SECONDS, max(0.01, (due_at - database_now()).total_seconds()))


def claim_next(owner: str) -> Claim | None:
    """Claim one deployment that is due, or None when there is none to be had."""
    for deployment in _due():
        claim = _try_claim(deployment, owner)
        if claim is not None:
            return claim
    return None


def advance(claim: Claim, *, until: float) -> None:
    """Carry the claimed deployment forward, then give it back."""
    deployment = _load(claim.deployment_id)
    with about_deployment(str(deployment.uuid)):
        try:
            wait = _carry_on(open_work(claim, deployment), until)
        except Stale:
            logger.warning("%s was taken over by another worker", deployment)
            return
        except HostError as error:
            logger.warning("%s: %s", deployment, error)
            wait = HOST_TROUBLE_SECONDS
        except Exception:
            logger.exception("%s: the engine itself broke", deployment)
            wait = _after_mishap(claim, deployment)
        if wait is not None:
            claim.release(wait_seconds=wait)


def _after_mishap(claim: Claim, deployment: Deployment) -> float | None:
    """Try again a few times, then undo, then give up: nothing may come back without end."""
    mishaps = deployment.facts.get("mishaps", 0) + 1
    deployment.facts = {**deployment.facts, "mishaps": mishaps}
    try:
        claim.update(facts=deployment.facts)
        if mishaps == MISHAPS_ALLOWED and not deployment.ending:
            endings.begin(claim, deployment, ending=Status.FAILED, failure_code="internal_error")
        if mishaps >= 2 * MISHAPS_ALLOWED:
            endings.write_end(claim, deployment)
            return None
    except Stale:
        return None
    return MISHAP_SECONDS


def _due() -> Iterator[Deployment]:
    """Those that are due and unclaimed, longest waiting first; a queued one only when its turn has come."""
    busy = Deployment.objects.filter(environment=OuterRef("environment"), status__in=ACTIVE)
    free = Q(lease_owner="") | Q(lease_until__lt=Now())
    turn = Q(status__in=ACTIVE) | (Q(status=Status.QUEUED) & ~Exists(busy))
    yield from Deployment.objects.filter(free, turn, due_at__lte=Now()).order_by("due_at")[:CANDIDATES]


def _try_claim(deployment: Deployment, owner: str) -> Claim | None:
    if deployment.status != Status.QUEUED:
        return _take_over(deployment, owner)
    if _instance_is_full(deployment):
        return None
    try:
        with transaction.atomic():
            return claims.take(deployment, owner=owner, status=Status.RUNNING, started_at=Now())
    except IntegrityError:
        # Another deployment of this environment became active in between; this one stays next.
        return None


def _take_over(deployment: Deployment, owner: str) -> Claim | None:
    """Claim a running one; when its last worker never gave it back, that worker died in its step."""
    with transaction.atomic():
        claim = claims.take(deployment, owner=owner)
        if claim is not None and deployment.lease_owner:
            current = Step.objects.filter(deployment=deployment, status=StepStatus.RUNNING)
            current.update(deaths=F("deaths") + 1)
    return claim


def _instance_is_full(deployment: Deployment) -> bool:
    running = Deployment.objects.filter(instance=deployment.instance_id, status__in=ACTIVE)
    return running.count() >= settings.DEPLOYMENTS_PER_INSTANCE


def _load(pk: int) -> Deployment:
    return Deployment.objects.select_related(
        "application__team", "environment__instance", "environment__live_release", "instance", "release"
    ).get(pk=pk)


def _carry_on(work: Work, until: float) -> float | None:
    """Go from step to step while the time lasts; return the seconds to wait, or None when it ended."""
    deployment = work.deployment
    while True:
        if not deployment.ending:
            _look_for_an_end(work)
        wait = endings.undo_next(work) if deployment.ending else _next_step(work)
        if wait is None:
            return None
        if wait > 0 or time.monotonic() >= until:
            return wait
        work.claim.renew()
        deployment.refresh_from_db(fields=["status", "ending", "cancel_requested_at"])


def _look_for_an_end(work: Work) -> None:
    """Has somebody cancelled it, or is its time up?"""
    deployment = work.deployment
    if deployment.status == Status.CANCELLING:
        endings.begin(work.claim, deployment, ending=Status.CANCELLED)
        return
    assert deployment.started_at is not None
    if database_now() - deployment.started_at > timedelta(seconds=settings.MAX_DEPLOYMENT_TIME):
        failure = StepFailed("deployment_timeout", f"It ran for more than {settings.MAX_DEPLOYMENT_TIME} s.")
        endings.fail_step(work, _current_step(deployment), failure)


def _current_step(deployment: Deployment) -> Step | None:
    open_steps = Step.objects.filter(
        deployment=deployment, status__in=(StepStatus.PENDING, StepStatus.RUNNING)
    )
    return open_steps.order_by("number").first()


def _next_step(work: Work) -> float | None:
    """Call the current step once; 0 to go on at once, more to wait, None when the deployment ended."""
    step = _current_step(work.deployment)
    if step is None:
        endings.succeed(work)
        return None
    if step.status == StepStatus.PENDING:
        _begin(work, step)
    try:
        spec = plans.spec_of(work.deployment, step.key)
        _check_patience(step, spec)
        progress = spec.run(work.context(step))
        absences.end(work, step)
    except StepFailed as failure:
        endings.fail_step(work, step, failure)
        return 0
    except HostRefused as refusal:
        endings.fail_step(work, step, StepFailed(refusal.code, str(refusal)))
        return 0
    except HostError as error:
        return absences.note(work, step, error)
    except Stale:
        raise
    except Exception:
        logger.exception("%s: step %s broke", work.deployment, step.key)
        endings.fail_step(work, step, StepFailed("internal_error", "See the portal's own log."))
        return 0
    kill_points.reach(step.key, "after_effect")
    return _record(work, step, progress)


def _begin(work: Work, step: Step) -> None:
    """Store that the step is being carried out before it does anything."""
    kill_points.reach(step.key, "before_intent")
    work.claim.update_step(step, status=StepStatus.RUNNING, started_at=Now())
    step.refresh_from_db()
    logs.ring(work.deployment)
    kill_points.reach(step.key, "after_intent")


def _check_patience(step: Step, spec: StepSpec) -> None:
    """Fail a step that killed its workers or that has used up its time."""
    if step.deaths > DEATHS_ALLOWED:
        raise StepFailed("worker_died", f"{step.deaths} workers ended while they worked on this step.")
    assert step.started_at is not None
    absences.check(step)
    patience = timedelta(seconds=spec.timeout_seconds + absences.seconds_away(step))
    if database_now() - step.started_at > patience:
        raise StepFailed("step_timeout", f"It did not end within {spec.timeout_seconds} s.")


def _record(work: Work, step: Step, progress: Progress) -> float:
    """Store how the step ended, or leave it running."""
    if isinstance(progress, Wait):
        return progress.seconds
    if isinstance(progress, Skipped):
        status, message = StepStatus.SKIPPED, progress.reason
    else:
        assert isinstance(progress, Done)
        status, message = StepStatus.SUCCEEDED, progress.message
    with transaction.atomic():
        work.claim.update_step(step, status=status, message=message[:500], finished_at=Now())
        logs.seal(work.claim, step.number)
    logs.ring(work.deployment)
    kill_points.reach(step.key, "after_result")
    return 0
