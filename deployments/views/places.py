"""The environments of one application, each with all that its page shows of it."""

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import F

from deployments import queries, rules
from deployments.buttons import Button, environment_buttons, protect_button, rollback_button
from deployments.models import Application, Deployment, Environment, Release, Variable
from deployments.states import UNFINISHED
from portal.core.models import User

SHOWN_RELEASES = 5


@dataclass(frozen=True)
class Earlier:
    """A release that can be brought back, and the button for it."""

    release: Release
    button: Button
    protect: Button


@dataclass(frozen=True)
class Place:
    """An environment with its variables, its buttons and what could be brought back."""

    environment: Environment
    under_way: Deployment | None
    buttons: list[Button]
    earlier: list[Earlier]
    variables: list[Variable]
    # Names of variables that wait for the next deployment.
    changed: list[str]
    sees_variables: bool
    why_not_set: str


def places_of(user: User, application: Application) -> list[Place]:
    """In a number of queries that does not grow with the environments."""
    rows = list(
        queries.visible_environments(user)
        .filter(application=application)
        .prefetch_related("variables__updated_by")
    )
    releases = _releases(rows)
    moving = {row.environment_id: row for row in _under_way(application)}
    return [_place(user, row, releases[row.pk], moving.get(row.pk)) for row in rows]


def _place(user: User, row: Environment, releases: list[Release], under_way: Deployment | None) -> Place:
    sees = rules.can_see_variables(user, row)
    return Place(
        environment=row,
        under_way=under_way,
        buttons=environment_buttons(user, row),
        earlier=[
            Earlier(release, rollback_button(user, row, release), protect_button(user, row, release))
            for release in _shown(releases)
        ],
        variables=list(row.variables.all()) if sees else [],
        changed=queries.changed_variables(row) if sees else [],
        sees_variables=sees,
        why_not_set=rules.why_not_set_variables(user, row),
    )


def _shown(releases: list[Release]) -> list[Release]:
    """The newest few, and those that are kept for good."""
    return [*releases[:SHOWN_RELEASES], *(row for row in releases[SHOWN_RELEASES:] if row.protected)]


def _releases(rows: list[Environment]) -> dict[int, list[Release]]:
    """What can be brought back in each environment, newest first."""
    found = (
        Release.objects.filter(environment__in=rows, kept=True, proven=True)
        .exclude(pk=F("environment__live_release_id"))
        .order_by("-number")
    )
    grouped: dict[int, list[Release]] = defaultdict(list)
    places = {row.pk: row for row in rows}
    for release in found:
        # The row that is there already: rules look at its application's team.
        release.environment = places[release.environment_id]
        grouped[release.environment_id].append(release)
    return grouped


def _under_way(application: Application) -> list[Deployment]:
    return list(
        Deployment.objects.filter(application=application, status__in=UNFINISHED).select_related(
            "application"
        )
    )
