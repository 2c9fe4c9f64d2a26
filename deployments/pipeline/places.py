"""What each kind of instance offers: a host to act on, runtimes to run containers, a proxy in front."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

from deployments.pipeline.proxies.base import Proxy
from deployments.pipeline.proxies.builtin import BuiltinProxy
from deployments.pipeline.proxies.nginx import NginxProxy
from deployments.pipeline.runtimes.base import Runtime
from deployments.pipeline.runtimes.docker import DockerRuntime
from deployments.pipeline.runtimes.process import ProcessRuntime
from instances.hosts.absent import AbsentHost
from instances.hosts.base import Host
from instances.hosts.local import LocalHost
from instances.hosts.of import host_of
from instances.models import Instance
from instances.states import Kind


@dataclass(frozen=True)
class Place:
    """A host and what stands on it."""

    host: Host
    runtimes: Mapping[str, Runtime]
    proxy: Proxy


def place_of(instance: Instance) -> Place:
    """The place that an instance is."""
    if instance.kind == Kind.LOCAL:
        return desk()
    host = host_of(instance) if instance.ssh_host else AbsentHost(instance.name)
    address = instance.address or instance.ssh_host
    return Place(
        host=host,
        runtimes={"docker": DockerRuntime(host)},
        proxy=NginxProxy(host, address=address),
    )


@lru_cache(maxsize=1)
def desk() -> Place:
    """The portal's own machine: where repositories are looked at, and a place like any other."""
    host = LocalHost(settings.DATA_DIR / "host")
    return Place(
        host=host,
        runtimes={"docker": DockerRuntime(host), "process": ProcessRuntime(host)},
        proxy=BuiltinProxy(
            settings.DATA_DIR / "proxy",
            bind=settings.LOCAL_ADDRESS,
            public_host=settings.LOCAL_NAME,
            strip_cookies=(settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME),
        ),
    )
