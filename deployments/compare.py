"""What is different between two deployments of an application."""

from dataclasses import dataclass
from typing import Any

from deployments import queries, rules, snapshots
from deployments.models import Deployment, Release, Step
from deployments.states import Status
from portal.core.errors import Invalid
from portal.core.models import User

MOST_COMMITS = 50
SETTINGS = {
    "ref": "Branch",
    "runtime": "Runs as",
    "container_port": "Container port",
    "health_path": "Health path",
    "memory_mb": "Memory (MB)",
    "cpus": "CPUs",
    "hostnames": "Host names",
    "path_prefix": "Path prefix",
    "https": "HTTPS",
    "options": "Proxy options",
}


@dataclass(frozen=True)
class StepTimes:
    """One step in both, in seconds; nothing where it was skipped or never begun."""

    key: str
    title: str
    before: float | None
    after: float | None

    @property
    def slower_by(self) -> float | None:
        if self.before is None or self.after is None:
            return None
        return round(self.after - self.before, 3)


@dataclass(frozen=True)
class Commit:
    """A commit that a release between the two was made of."""

    commit: str
    subject: str
    release: str


@dataclass(frozen=True)
class Change:
    """A setting that is not the same in both."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class VariableNames:
    """Names of variables, never values."""

    added: list[str]
    removed: list[str]
    changed: list[str]


@dataclass(frozen=True)
class Comparison:
    """Two deployments, the older one first."""

    before: Deployment
    after: Deployment
    steps: list[StepTimes]
    commits: list[Commit]
    settings: list[Change]
    # None: one of them made no release, or the person may not see names of variables.
    variables: VariableNames | None
    image_sizes: tuple[int | None, int | None]

    @property
    def growth(self) -> int | None:
        before, after = self.image_sizes
        return None if before is None or after is None else after - before


def compare(user: User, deployment: Deployment, other: Deployment) -> Comparison:
    """Compare two deployments of one application; the order in which they are given does not matter."""
    if deployment.application_id != other.application_id:
        raise Invalid({"with": f"{other} is of another application. Choose one of {deployment.application}."})
    if deployment.pk == other.pk:
        raise Invalid({"with": "It is the same deployment. Choose another one."})
    before, after = sorted((deployment, other), key=lambda row: row.pk)
    return Comparison(
        before=before,
        after=after,
        steps=_steps(before, after),
        commits=_commits(before, after),
        settings=_settings(before.release, after.release),
        variables=_variables(user, before, after),
        image_sizes=(_size(before), _size(after)),
    )


def usual_other(user: User, deployment: Deployment) -> Deployment | None:
    """What it is compared with when nothing is said: the last one before that went live in its environment."""
    return (
        queries.visible_deployments(user)
        .filter(environment=deployment.environment_id, id__lt=deployment.pk, status=Status.SUCCEEDED)
        .order_by("-id")
        .first()
    )


def choices(user: User, deployment: Deployment, *, most: int = 20) -> list[Deployment]:
    """The newest other deployments of the application that made a release."""
    rows = queries.visible_deployments(user).filter(
        application=deployment.application_id, release__isnull=False
    )
    return list(rows.exclude(pk=deployment.pk).order_by("-id")[:most])


def _steps(before: Deployment, after: Deployment) -> list[StepTimes]:
    """Every step of either, in the order of the newer one."""
    rows = {row.key: row for row in before.steps.all()}
    paired = [
        StepTimes(step.key, step.title, _seconds(rows.pop(step.key, None)), _seconds(step))
        for step in after.steps.all()
    ]
    return paired + [StepTimes(row.key, row.title, _seconds(row), None) for row in rows.values()]


def _seconds(step: Step | None) -> float | None:
    if step is None or step.started_at is None or step.finished_at is None:
        return None
    return round((step.finished_at - step.started_at).total_seconds(), 3)


def _commits(before: Deployment, after: Deployment) -> list[Commit]:
    """The commits of all releases from one to the other, newest first, each once."""
    rows = Release.objects.filter(
        deployments__application=after.application_id,
        deployments__id__gte=before.pk,
        deployments__id__lte=after.pk,
        deployments__environment__in={before.environment_id, after.environment_id},
    ).exclude(commit="")
    found: dict[str, Commit] = {}
    for row in rows.order_by("-deployments__id").distinct()[: MOST_COMMITS * 4]:
        found.setdefault(row.commit, Commit(row.commit, row.commit_subject, str(row)))
    return list(found.values())[:MOST_COMMITS]


def _settings(before: Release | None, after: Release | None) -> list[Change]:
    if before is None or after is None:
        return []
    pairs = [(label, _setting(before, name), _setting(after, name)) for name, label in SETTINGS.items()]
    return [Change(label, _text(old), _text(new)) for label, old, new in pairs if old != new]


def _setting(release: Release, name: str) -> Any:
    if hasattr(release, name):
        return getattr(release, name)
    return release.proxy.get(name) or None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(inner)}" for name, inner in sorted(value.items()))
    return "" if value is None else str(value)


def _variables(user: User, before: Deployment, after: Deployment) -> VariableNames | None:
    if before.release is None or after.release is None:
        return None
    if not all(rules.can_see_variables(user, row.environment) for row in (before, after)):
        return None
    then, now = snapshots.parse_variables(before.release), snapshots.parse_variables(after.release)
    return VariableNames(
        added=sorted(now.keys() - then.keys()),
        removed=sorted(then.keys() - now.keys()),
        changed=sorted(key for key in then.keys() & now.keys() if then[key] != now[key]),
    )


def _size(deployment: Deployment) -> int | None:
    return deployment.release.image_size if deployment.release else None
