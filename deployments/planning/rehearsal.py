"""The rows that a start would make, by the very rules of a start: done in a transaction that is undone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from deployments import actions, snapshots
from deployments.models import Application, Deployment, Environment, Release
from deployments.pipeline import routes
from instances.models import Instance, PortReservation
from instances.states import Kind
from portal.core.errors import ActionDenied


class _Undo(Exception):
    """Ends the transaction."""


@dataclass(frozen=True)
class Rehearsal:
    """How things would be; none of it is in the tables, unless it was before."""

    deployment: Deployment
    variables: tuple[str, ...]
    ports: tuple[int, ...]
    superseded: str
    # Whether the request says the name of a new machine.
    named: bool
    under_way: str
    # As they are now; None where they are yet to be made.
    application_now: Application | None
    environment_now: Environment | None
    instance_now: Instance | None
    variables_now: dict[str, str]
    held_port: int | None
    live: Release | None
    last_release: int

    @property
    def application(self) -> Application:
        return self.deployment.application

    @property
    def environment(self) -> Environment:
        return self.deployment.environment

    @property
    def instance(self) -> Instance:
        return self.deployment.environment.instance

    @property
    def instance_name(self) -> str:
        """As people will know it; a name that is drawn at the start is not known before."""
        drawn = self.instance_now is None and self.instance.kind == Kind.EC2 and not self.named
        return f"{self.instance.name.rpartition('-')[0]}-…" if drawn else self.instance.name

    @property
    def image(self) -> str:
        """The image that was asked for, when it is not built."""
        return str(self.deployment.options.get("image", ""))


def rehearse(wish: dict[str, Any]) -> tuple[Rehearsal, dict[str, str]]:
    """Start a deployment and undo that at once. Raises what the start raises.

    Returns as well the values of the variables as they would be, which are shown to nobody.
    """
    with _undone():
        started = actions.deploy_url(**wish)
        deployment = started.deployment
        place = deployment.environment
        after = snapshots.take(place)
        waiting = Deployment.objects.filter(superseded_by=deployment).first()
        ports = tuple(routes.ports_to_open(place.instance))
    now = _now(place)
    found = Rehearsal(
        deployment=deployment,
        variables=tuple(sorted(after)),
        ports=ports,
        superseded=str(waiting or ""),
        named=bool(wish.get("instance_name")),
        under_way="" if started.created else str(deployment),
        **now,
    )
    return found, after


@contextmanager
def _undone() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
            raise _Undo
    except _Undo:
        pass
    except IntegrityError:
        raise ActionDenied(
            "Somebody else changed the same thing at the same moment. Try again.", code="conflict"
        ) from None


def _now(place: Environment) -> dict[str, Any]:
    """What the tables hold of it."""
    related = Environment.objects.select_related("live_release", "instance")
    environment = related.filter(uuid=place.uuid).first()
    releases = environment.releases.order_by("-number") if environment else Release.objects.none()
    held = PortReservation.objects.filter(holder=place.uuid, instance__uuid=place.instance.uuid)
    return {
        "application_now": Application.objects.filter(uuid=place.application.uuid).first(),
        "environment_now": environment,
        "instance_now": Instance.objects.filter(uuid=place.instance.uuid).first(),
        "variables_now": snapshots.take(environment) if environment else {},
        "held_port": held.values_list("number", flat=True).first(),
        "live": environment.live_release if environment else None,
        "last_release": releases.values_list("number", flat=True).first() or 0,
    }
