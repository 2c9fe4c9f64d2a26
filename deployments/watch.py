"""Keeps what is live the way people want it: healthy, restarted after a crash, and alone."""

import logging
from datetime import timedelta

from django.db.models.functions import Now

from deployments.health_record import set_health
from deployments.models import Deployment, Environment
from deployments.pipeline import names
from deployments.pipeline.health import probe
from deployments.pipeline.places import Place as Standing
from deployments.pipeline.places import place_of
from deployments.pipeline.runtimes.base import Container, Runtime
from deployments.states import ACTIVE, Health, Wanted
from deployments.upkeep import Upkeep
from instances.hosts.base import HostError
from instances.states import GONE
from instances.states import Kind as Place
from instances.states import Status as Machine
from portal.core.clock import now_plus
from portal.core.logcontext import about_deployment

logger = logging.getLogger(__name__)

CHECK_SECONDS = 10.0
SILENT = (*GONE, Machine.UNREACHABLE)


def take_turn() -> bool:
    """Check one environment that is due; tell whether there was one."""
    environment = _take_one()
    if environment is None:
        return False
    _check_safely(environment)
    return True


def _take_one() -> Environment | None:
    """Take the check that is longest due; the conditional UPDATE lets one worker have it."""
    due = Environment.objects.filter(next_check_at__lte=Now()).order_by("next_check_at")
    due = due.select_related("application__team", "instance", "live_release", "live_deployment")
    for environment in due[:5]:
        still_due = Environment.objects.filter(pk=environment.pk, next_check_at__lte=Now())
        if still_due.update(next_check_at=now_plus(timedelta(seconds=CHECK_SECONDS))):
            return environment
    return None


def _check_safely(environment: Environment) -> None:
    about = str(environment.live_deployment.uuid) if environment.live_deployment else ""
    with about_deployment(about):
        try:
            check(environment)
        except HostError as error:
            logger.warning("%s could not be checked: %s", environment, error)
            note_absence(environment, error)
        except Exception:
            logger.exception("checking %s broke", environment)


def check(environment: Environment) -> None:
    """Look at what is there, and do the one thing that brings it nearer to what is wanted."""
    if environment.instance.status in SILENT:
        # Whether it answers again is the fleet's business; asking here would keep others waiting.
        note_absence(environment, None)
        return
    place = place_of(environment.instance)
    # Listed before the rows are read: what is in this list existed by then, so whatever is not
    # wanted by the rows is left over and not being made.
    found = _containers(place, environment)
    environment.refresh_from_db()
    if Deployment.objects.filter(environment=environment, status__in=ACTIVE).exists():
        _note_health(environment, place)
        return
    Upkeep(environment, place, found).bring_about()


def note_absence(environment: Environment, error: HostError | None) -> None:
    """Say what it means for the application that its machine does not answer."""
    instance = environment.instance
    if instance.kind == Place.LOCAL or environment.live_release is None:
        return
    if instance.status in (Machine.TERMINATED, Machine.TERMINATING):
        set_health(environment, Health.LOST, instance.trouble or f"{instance} is gone.")
    elif instance.status in (Machine.STOPPED, Machine.STOPPING) and instance.trouble:
        # Nobody here asked for it.
        set_health(environment, Health.LOST, instance.trouble)
    elif instance.status in (Machine.STOPPED, Machine.STOPPING):
        set_health(environment, Health.STOPPED, f"{instance} is stopped.")
    elif error is None or environment.failures >= 1:
        detail = instance.trouble or str(error or f"{instance} does not answer.")
        set_health(environment, Health.UNHEALTHY, detail, failures=environment.failures + 1)
    else:
        Environment.objects.filter(pk=environment.pk).update(failures=environment.failures + 1)


def _containers(place: Standing, environment: Environment) -> list[tuple[Runtime, Container]]:
    """Everything of this environment, whatever runs it. What is live must be seen; the rest may wait."""
    labels = names.environment_labels(environment)
    live = environment.live_release.runtime if environment.live_release else ""
    found = []
    for runtime in place.runtimes.values():
        try:
            found += [(runtime, container) for container in runtime.containers(labels)]
        except HostError:
            # An engine that is down, or not for us, has nothing to do with what runs elsewhere.
            if runtime.key == live:
                raise
    return found


def _note_health(environment: Environment, place: Standing) -> None:
    """While a deployment is under way only look; acting is its business."""
    if environment.live_port and environment.live_release and environment.wanted == Wanted.RUNNING:
        answer = probe(place.host, environment.live_port, environment.live_release.health_path)
        set_health(
            environment, Health.HEALTHY if answer.ok else Health.UNHEALTHY, "" if answer.ok else str(answer)
        )
