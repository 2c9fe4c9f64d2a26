"""Finds containers of ours that no table knows: left behind by a crash, or by another time."""

import logging

from django.conf import settings
from django.db.models.functions import Now

from deployments.models import Environment
from deployments.pipeline import places
from deployments.pipeline.runtimes.base import Container, Runtime
from instances.hosts.base import HostError
from instances.models import Instance, Orphan
from instances.states import Kind, OrphanKind, Status
from portal.core import audit, heartbeat

logger = logging.getLogger(__name__)

SWEEP = "sweep of containers"
ENVIRONMENT_LABEL = "portal.environment"
OURS = {"portal.managed": "1"}


def is_due() -> bool:
    """Whether the last comparison is long enough ago."""
    age = heartbeat.age(SWEEP)
    return age is None or age > settings.SWEEP_SECONDS


def sweep_containers() -> int:
    """Compare every machine that answers with the tables; the number of containers that nobody knows."""
    heartbeat.beat(SWEEP)
    found = 0
    for instance in Instance.objects.filter(status=Status.RUNNING, deleted_at__isnull=True):
        try:
            found += _compare(instance)
        except HostError as error:
            logger.warning("%s could not be swept: %s", instance, error)
    return found


def _compare(instance: Instance) -> int:
    """Write down what is unknown there, forget what is gone, remove what somebody asked to be removed."""
    if instance.kind != Kind.LOCAL and not instance.ssh_host:
        return 0
    known = {
        str(uuid) for uuid in Environment.objects.filter(instance=instance).values_list("uuid", flat=True)
    }
    asked = set(
        Orphan.objects.filter(
            kind=OrphanKind.CONTAINER, instance=instance, delete_asked_by__isnull=False
        ).values_list("identifier", flat=True)
    )
    seen = []
    for runtime in places.place_of(instance).runtimes.values():
        for container in _containers(instance, runtime):
            if container.labels.get(ENVIRONMENT_LABEL, "") in known or "portal.once" in container.labels:
                continue
            if container.name in asked:
                _remove(instance, runtime, container)
            else:
                _note(instance, container)
                seen.append(container.name)
    gone = Orphan.objects.filter(kind=OrphanKind.CONTAINER, instance=instance).exclude(identifier__in=seen)
    gone.delete()
    return len(seen)


def _containers(instance: Instance, runtime: Runtime) -> list[Container]:
    """This machine may well be without an engine."""
    try:
        return runtime.containers(OURS)
    except HostError:
        if instance.kind != Kind.LOCAL:
            raise
        return []


def _remove(instance: Instance, runtime: Runtime, container: Container) -> None:
    runtime.remove(container.name)
    audit.record("orphan.deleted", instance, by=None, team=instance.team, container=container.name)


def _note(instance: Instance, container: Container) -> None:
    Orphan.objects.update_or_create(
        kind=OrphanKind.CONTAINER,
        region="",
        identifier=container.name,
        defaults={
            "instance": instance,
            "name": container.name,
            "seen_at": Now(),
            "details": {"image": container.image, "running": container.running},
        },
    )
