"""Restarting a machine's operating system, as the queue calls it."""

import logging

from instances.clouds.base import CloudError
from instances.clouds.of import machines_in
from instances.hosts.base import HostError, HostTimeout
from instances.hosts.of import host_of
from instances.models import Instance
from instances.states import Kind, Status
from portal.core.queue import enqueue_in

logger = logging.getLogger("portal.instances")

ATTEMPTS = 5
PAUSE_SECONDS = 5


def reboot(identifier: str, attempt: int = 1) -> None:
    """Ask AWS, or the server itself; a machine that is not running any more is left alone."""
    instance = Instance.objects.filter(uuid=identifier, status=Status.RUNNING).first()
    if instance is None:
        return
    try:
        _ask(instance)
    except (CloudError, HostError) as error:
        logger.warning("%s could not be rebooted: %s", instance, error)
        again = error.again if isinstance(error, CloudError) else True
        if again and attempt < ATTEMPTS:
            enqueue_in(PAUSE_SECONDS * attempt, "instances.rebooting.reboot", identifier, attempt + 1)
            return
        sentence = f"It could not be rebooted: {error}"[:500]
        Instance.objects.filter(pk=instance.pk).update(trouble=sentence)


def _ask(instance: Instance) -> None:
    if instance.kind == Kind.EC2:
        machines_in(instance.region).reboot(instance.aws_id)
        return
    try:
        host_of(instance).call(["systemctl", "reboot", "--no-block"], timeout=10)
    except HostTimeout:
        # The connection may go down before the answer comes.
        return
