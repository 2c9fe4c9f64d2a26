"""Restarting a machine's operating system, as the queue calls it: drained first, looked at afterwards."""

import logging
import time

from django.db import transaction

from instances.clouds.base import CloudError
from instances.clouds.of import machines_in
from instances.hosts.base import HostError, HostTimeout
from instances.hosts.of import host_of
from instances.models import Instance
from instances.states import Kind, Status
from portal.core import audit
from portal.core.queue import enqueue_in

logger = logging.getLogger("portal.instances")

ATTEMPTS = 5
PAUSE_SECONDS = 5
# How long deployments that are under way may take, and how long the machine may stay away.
DRAIN_SECONDS = 1800
BACK_SECONDS = 600
BOOT = ["cat", "/proc/sys/kernel/random/boot_id"]


def reboot(identifier: str, attempt: int = 1, since: float = 0, drained: bool = False) -> None:
    """Take no new deployments, wait for those under way, then restart it; one that is not running is left alone."""
    instance = Instance.objects.filter(uuid=identifier, status=Status.RUNNING).first()
    if instance is None:
        return
    since = since or time.time()
    if not instance.draining:
        Instance.objects.filter(pk=instance.pk).update(draining=True)
        drained = True
    if _is_busy(instance) and time.time() - since < DRAIN_SECONDS:
        enqueue_in(PAUSE_SECONDS, "instances.rebooting.reboot", identifier, attempt, since, drained)
        return
    try:
        before = host_of(instance).call(BOOT).out.strip()
        _ask(instance)
    except (CloudError, HostError) as error:
        _refused(instance, error, attempt, since, drained)
        return
    enqueue_in(PAUSE_SECONDS, "instances.rebooting.look", identifier, before, time.time(), drained)


def look(identifier: str, before: str, since: float, drained: bool) -> None:
    """Wait until the machine answers with another boot; then it takes deployments again."""
    instance = Instance.objects.filter(uuid=identifier).first()
    if instance is None or instance.status in (Status.TERMINATING, Status.TERMINATED):
        return
    try:
        boot = host_of(instance).call(BOOT).out.strip()
    except HostError:
        boot = before
    seconds = time.time() - since
    if boot == before and seconds < BACK_SECONDS:
        enqueue_in(PAUSE_SECONDS, "instances.rebooting.look", identifier, before, since, drained)
        return
    with transaction.atomic():
        if boot != before:
            _release(instance, drained)
            audit.record("instance.rebooted", instance, by=None, team=instance.team, seconds=round(seconds))
        else:
            sentence = f"It did not come back within {BACK_SECONDS // 60} minutes of its reboot."
            Instance.objects.filter(pk=instance.pk).update(trouble=sentence)


def _is_busy(instance: Instance) -> bool:
    """Whether a deployment is under way there. Read through the relation: this app knows no deployments."""
    under_way = instance.deployments.filter(started_at__isnull=False, finished_at__isnull=True)
    busy: bool = under_way.exists()
    return busy


def _refused(
    instance: Instance, error: CloudError | HostError, attempt: int, since: float, drained: bool
) -> None:
    logger.warning("%s could not be rebooted: %s", instance, error)
    again = error.again if isinstance(error, CloudError) else True
    if again and attempt < ATTEMPTS:
        pause = PAUSE_SECONDS * attempt
        enqueue_in(pause, "instances.rebooting.reboot", str(instance.uuid), attempt + 1, since, drained)
        return
    _release(instance, drained)
    Instance.objects.filter(pk=instance.pk).update(trouble=f"It could not be rebooted: {error}"[:500])


def _release(instance: Instance, drained: bool) -> None:
    """Take deployments again, unless somebody had drained it before us."""
    if drained:
        Instance.objects.filter(pk=instance.pk).update(draining=False)


def _ask(instance: Instance) -> None:
    if instance.kind == Kind.EC2:
        machines_in(instance.region).reboot(instance.aws_id)
        return
    try:
        host_of(instance).call(["systemctl", "reboot", "--no-block"], timeout=10)
    except HostTimeout:
        # The connection may go down before the answer comes.
        return
