"""The host that belongs to an instance."""

from functools import lru_cache

from django.conf import settings

from instances.hosts.base import Host
from instances.hosts.local import LocalHost
from instances.hosts.ssh import SSHHost, Target
from instances.models import Instance
from instances.states import Kind


def target_of(instance: Instance) -> Target:
    """How an instance is reached now; its row says so."""
    return Target(
        host=instance.ssh_host or instance.public_ip or instance.private_ip,
        port=instance.ssh_port,
        user=instance.ssh_user,
        private_key=instance.private_key,
        host_keys=tuple(instance.host_keys),
        jump=target_of(instance.jump) if instance.jump else None,
    )


def host_of(instance: Instance) -> Host:
    """The host of an instance. Another address or key makes another one."""
    if instance.kind == Kind.LOCAL:
        return LocalHost(settings.DATA_DIR / "host")
    return _server(target_of(instance))


@lru_cache(maxsize=256)
def _server(target: Target) -> SSHHost:
    return SSHHost(target)
