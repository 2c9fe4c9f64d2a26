"""Starting, stopping and repeating deployments."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from deployments import inputs, rules, tasks
from deployments.actions.conflicts import atomic_again
from deployments.actions.refusals import audited
from deployments.models import Application, Deployment, Environment, Release, Step
from deployments.pipeline.plans import plan_for
from deployments.states import ACTIVE, TRANSITIONS, Kind, Status
from portal.core import audit
from portal.core.errors import ActionDenied, Invalid
from portal.core.models import User
from portal.core.states import WrongState, move

# The same start again within this time is a double click, not a second wish.
DOUBLE_CLICK = timedelta(seconds=10)


@dataclass(frozen=True)
class Started:
    """The deployment that a start led to; not created when the same one was under way already."""

    deployment: Deployment
    created: bool


@audited("deployment.start")
@atomic_again
def start(
    *, environment: Environment, by: User, ref: str = "", options: dict[str, Any] | None = None
) -> Started:
    """Queue a deployment of the ref's newest commit; by default of the environment's branch."""
    rules.check_can_start(by, environment)
    _check_wishes(environment, ref, options or {})
    return _queue(
        environment=environment, by=by, kind=Kind.DEPLOY, ref=ref or environment.branch, options=options or {}
    )


@audited("deployment.retry")
@atomic_again
def retry(*, deployment: Deployment, by: User) -> Started:
    """Try again what failed: the same commit, and what was done already is found and kept."""
    rules.check_can_retry(by, deployment)
    return _queue(
        environment=deployment.environment,
        by=by,
        kind=deployment.kind if deployment.kind == Kind.ROLLBACK else Kind.RETRY,
        ref=deployment.ref,
        options=deployment.options,
        origin=deployment,
        commit=deployment.commit,
        commit_subject=deployment.commit_subject,
        release=deployment.release if deployment.kind in (Kind.ROLLBACK, Kind.REDEPLOY) else None,
    )


@audited("deployment.redeploy")
@atomic_again
def redeploy(*, deployment: Deployment, by: User) -> Started:
    """Put the release of an earlier deployment there once more."""
    rules.check_can_redeploy(by, deployment)
    return _bring_back(deployment.release, by=by, kind=Kind.REDEPLOY, origin=deployment)


@audited("deployment.rollback")
@atomic_again
def rollback(*, environment: Environment, by: User, release: Release | None = None) -> Started:
    """Bring an earlier release back; by default the last good one before the live one."""
    rules.check_can_rollback(by, environment, release)
    target = release or _before_the_live_one(environment)
    origin = target.deployments.order_by("id").first()
    return _bring_back(target, by=by, kind=Kind.ROLLBACK, origin=origin)


@audited("deployment.cancel")
@transaction.atomic
def cancel(*, deployment: Deployment, by: User) -> Deployment:
    """Stop a deployment; what it did is undone, what ran before goes on."""
    rules.check_can_cancel(by, deployment)
    try:
        if deployment.status in ACTIVE:
            move(
                deployment, to=Status.CANCELLING, transitions=TRANSITIONS,
                where={"ending": ""}, cancel_requested_at=Now(), cancelled_by=by, due_at=Now(),
            )  # fmt: skip
        else:
            now = timezone.now()
            move(
                deployment, to=Status.CANCELLED, transitions=_FROM_WAITING,
                cancel_requested_at=now, cancelled_by=by, finished_at=now, due_at=None,
            )  # fmt: skip
            _skip_all(deployment, "Cancelled before it began.")
    except WrongState:
        deployment.refresh_from_db()
        raise ActionDenied(
            f"It is {deployment.get_status_display().lower()} meanwhile.", code="finished"
        ) from None
    audit.record("deployment.cancel", deployment, by=by, team=deployment.application.team)
    tasks.wake()
    return deployment


# A deployment that has not begun ends at once; one that runs must be undone first.
_FROM_WAITING = {Status.QUEUED: {Status.CANCELLED}, Status.WAITING_APPROVAL: {Status.CANCELLED}}


def _check_wishes(environment: Environment, ref: str, options: dict[str, Any]) -> None:
    """The options that a start knows: an image, a build without the cache, build arguments, the plan's hash."""
    problems: dict[str, list[str]] = {}
    for field, check, value in (
        ("branch", inputs.check_branch, ref),
        ("image", inputs.check_image, options.get("image")),
    ):
        try:
            if value:
                check(value)
        except ValidationError as error:
            problems[field] = error.messages
    unknown = set(options) - {"image", "no_cache", "build_args", "plan_hash"}
    problems |= {name: ["There is no such option."] for name in unknown}
    if not environment.application.git_url and not options.get("image"):
        problems["image"] = ["This application has no repository: say which image to deploy."]
    if problems:
        raise Invalid(problems)


def _bring_back(release: Release | None, *, by: User, kind: Kind, origin: Deployment | None) -> Started:
    assert release is not None
    return _queue(
        environment=release.environment,
        by=by,
        kind=kind,
        ref=release.ref,
        options={},
        origin=origin,
        commit=release.commit,
        commit_subject=release.commit_subject,
        release=release,
    )


def _queue(
    *, environment: Environment, by: User, kind: str, ref: str, options: dict[str, Any],
    origin: Deployment | None = None, commit: str = "", commit_subject: str = "", release: Release | None = None,
) -> Started:  # fmt: skip
    """Make the row and its steps. The environment's row is locked, so that starts come one by one."""
    environment = _locked(environment)
    same = _same_start(
        environment, by=by, kind=kind, ref=ref, options=options, release=release, commit=commit
    )
    if same is not None:
        return Started(same, created=False)
    waiting = Deployment.objects.filter(environment=environment, status=Status.QUEUED).first()
    if waiting is not None:
        _make_way(waiting, by=by)
    deployment = Deployment.objects.create(
        application=environment.application,
        environment=environment,
        instance=environment.instance,
        number=_next_number(environment.application),
        kind=kind,
        source=audit.current_origin().surface,
        requested_by=by,
        origin=origin,
        release=release,
        ref=ref,
        commit=commit,
        commit_subject=commit_subject,
        options=options,
        due_at=timezone.now(),
    )
    if waiting is not None:
        Deployment.objects.filter(pk=waiting.pk).update(superseded_by=deployment)
    Step.objects.bulk_create(
        Step(deployment=deployment, number=number, key=spec.key, title=spec.title)
        for number, spec in enumerate(plan_for(deployment), start=1)
    )
    audit.record(
        f"deployment.{kind}", deployment, by=by, team=environment.application.team,
        environment=environment.name, ref=ref, release=str(release or ""), options=options,
    )  # fmt: skip
    tasks.wake()
    return Started(deployment, created=True)


def _locked(environment: Environment) -> Environment:
    return (
        Environment.objects.select_for_update(of=("self",))
        .select_related("application__team", "instance")
        .get(pk=environment.pk)
    )


def _same_start(
    environment: Environment, *, by: User, kind: str, ref: str, options: dict[str, Any],
    release: Release | None, commit: str,
) -> Deployment | None:  # fmt: skip
    """The unfinished deployment that a double click or a repeated request would make again."""
    candidates = Deployment.objects.filter(
        environment=environment,
        kind=kind,
        ref=ref,
        release=release,
        status__in=(Status.QUEUED, Status.RUNNING),
    ).select_related("application__team", "environment__instance")
    if kind == Kind.RETRY:
        candidates = candidates.filter(commit=commit)
    for candidate in candidates:
        fresh = candidate.created_at > timezone.now() - DOUBLE_CLICK
        if candidate.options == options and (candidate.status == Status.QUEUED or fresh):
            return candidate
    return None


def _make_way(waiting: Deployment, *, by: User) -> None:
    """One deployment waits at a time: the newest wish wins, the one before ends unbegun."""
    now = timezone.now()
    move(waiting, to=Status.CANCELLED, transitions=_FROM_WAITING, finished_at=now, due_at=None)
    _skip_all(waiting, "A newer deployment took its place.")
    audit.record("deployment.superseded", waiting, by=by, team=waiting.application.team)


def _skip_all(deployment: Deployment, reason: str) -> None:
    Step.objects.filter(deployment=deployment).update(status="skipped", message=reason)


def _next_number(application: Application) -> int:
    Application.objects.filter(pk=application.pk).update(last_number=F("last_number") + 1)
    return Application.objects.values_list("last_number", flat=True).get(pk=application.pk)


def _before_the_live_one(environment: Environment) -> Release:
    """The last release that was live before the one that is; else the newest other one."""
    live = environment.live_release
    candidates = rules.rollback_candidates(environment)
    earlier: Release | None = candidates.filter(number__lt=live.number).first() if live else None
    found: Release | None = earlier or candidates.first()
    assert found is not None  # check_can_rollback saw one
    return found
