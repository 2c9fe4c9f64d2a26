"""Who is woken after a wish was written down. By name: tasks stand above actions."""

from instances.models import Instance
from portal.core.queue import enqueue


def wake_fleet() -> None:
    """Let a worker look for instances that are due."""
    enqueue("instances.tasks.work")


def sweep_soon() -> None:
    """Compare AWS and the hosts with the tables now instead of at the next turn."""
    enqueue("instances.tasks.sweep")


def reboot_soon(instance: Instance) -> None:
    enqueue("instances.rebooting.reboot", str(instance.uuid))
