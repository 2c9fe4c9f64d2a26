"""How the requests of an environment find its container: as configured, and as a release keeps it."""

from typing import Any

from django.conf import settings

from deployments.models import Environment, Release
from deployments.pipeline.proxies.base import ProxyOptions, Route
from instances import ports
from instances.models import Instance, PortReservation
from instances.states import Kind

HTTP, HTTPS = 80, 443


class NoPublicPort(Exception):
    """Every public port is taken."""


def snapshot(environment: Environment) -> dict[str, Any]:
    """What a release keeps of it: a rollback brings it back."""
    if environment.instance.kind == Kind.LOCAL:
        return {}
    return {
        "hostnames": environment.hostnames,
        "path_prefix": environment.path_prefix,
        "https": environment.https,
        "options": environment.proxy_options,
    }


def route_of(
    environment: Environment,
    release: Release,
    *,
    public_port: int,
    upstream_port: int,
    fallback_port: int | None = None,
) -> Route:
    """The way from the public port to a release's container."""
    kept = release.proxy
    options = dict(kept.get("options", {}))
    options["allow"] = tuple(options.get("allow", ()))
    return Route(
        site=environment.uuid.hex,
        public_port=public_port,
        upstream_port=upstream_port,
        fallback_port=fallback_port,
        hostnames=tuple(kept.get("hostnames", ())),
        path_prefix=kept.get("path_prefix", ""),
        https=bool(kept.get("https")),
        options=ProxyOptions(**options),
        basic_auth=environment.basic_auth.reveal(),
    )


def hold_public_port(environment: Environment, *, usable: Any) -> int:
    """The environment keeps its port for good; a new one gets a free one of the range."""
    instance = environment.instance
    if instance.kind != Kind.LOCAL and (environment.hostnames or environment.path_prefix):
        return HTTP
    chosen = environment.public_port if environment.public_port != HTTP else None
    wanted = [chosen] if chosen else _candidates(instance)
    try:
        return ports.reserve(instance, holder=environment.uuid, candidates=wanted, usable=usable)
    except ports.NoFreePort:
        raise NoPublicPort from None


def ports_to_open(instance: Instance) -> list[int]:
    """The public ports of a machine beside the usual ones, for the firewall in front of it."""
    range_ = settings.REMOTE_PUBLIC_PORTS
    held = PortReservation.objects.filter(instance=instance).values_list("number", flat=True)
    chosen = instance.environments.filter(public_port__isnull=False).values_list("public_port", flat=True)
    public = {*(n for n in held if n in range_), *chosen} - {HTTP, HTTPS}
    return sorted(n for n in public if n is not None)


def _candidates(instance: Instance) -> list[int]:
    if instance.kind == Kind.LOCAL:
        return list(settings.LOCAL_PUBLIC_PORTS)
    return [HTTP, *settings.REMOTE_PUBLIC_PORTS]
