"""Under which names, paths and ports an environment answers: each belongs to one environment of an instance."""

from django.conf import settings
from django.db import IntegrityError, transaction

from deployments.inputs.ports import HTTP_PORT
from deployments.inputs.proxy_options import DEFAULTS
from deployments.models import Environment
from instances.models import Instance, PortReservation
from instances.states import Kind
from portal.core import access
from portal.core.errors import Invalid
from portal.core.models import User

# Fields that need a proxy which tells requests apart by more than their port.
NEEDS_NGINX = {
    "hostnames": "Host names",
    "path_prefix": "A path prefix",
    "https": "HTTPS",
    "proxy_options": "Proxy options",
    "basic_auth": "A sign-in at the proxy",
}


def settle(environment: Environment, *, by: User) -> None:
    """Refuse what somebody else answers under on the same instance; hold the port that was asked for."""
    # One at a time per instance, or two environments could take the same name at the same moment.
    Instance.objects.select_for_update(of=("self",), no_key=True).get(pk=environment.instance_id)
    _check_kind(environment)
    if environment.https and not environment.hostnames:
        raise Invalid({"https": "HTTPS needs a host name, for which the certificate is made. Add one."})
    _check_names(environment, by)
    if not _is_named(environment):
        _hold_port(environment, by)
    elif environment.public_port not in (None, HTTP_PORT):
        raise Invalid(
            {
                "public_port": f"Behind a host name or path prefix it answers on port {HTTP_PORT}. Leave it empty."
            }
        )


def _is_named(environment: Environment) -> bool:
    """It shares the usual port with others, told apart by name or path."""
    return bool(environment.hostnames or environment.path_prefix)


def _check_kind(environment: Environment) -> None:
    if environment.instance.kind != Kind.LOCAL:
        return
    wanted = {
        "hostnames": environment.hostnames,
        "path_prefix": environment.path_prefix,
        "https": environment.https,
        "proxy_options": environment.proxy_options not in ({}, DEFAULTS),
        "basic_auth": environment.basic_auth_sealed,
    }
    given = [name for name, value in wanted.items() if value]
    if given:
        raise Invalid({name: _on_this_machine(name) for name in given})


def _on_this_machine(name: str) -> str:
    return (
        f"{NEEDS_NGINX[name]}: possible on servers and EC2 instances only, where NGINX is in front. "
        "On this machine every environment has a port of its own. Leave it empty."
    )


def _check_names(environment: Environment, by: User) -> None:
    """Host names and path prefixes are unique among the environments of an instance."""
    if not _is_named(environment):
        return
    others = (
        Environment.objects.filter(instance=environment.instance_id, application__deleted_at__isnull=True)
        .exclude(pk=environment.pk)
        .select_related("application__team")
    )
    problems: dict[str, list[str]] = {}
    for other in others:
        for name in sorted(set(environment.hostnames) & set(other.hostnames)):
            taken = f"{name} leads to {_called(other, by)} on {environment.instance} already."
            problems.setdefault("hostnames", []).append(f"{taken} Choose another name.")
        if environment.path_prefix and environment.path_prefix == other.path_prefix:
            taken = f"{other.path_prefix} leads to {_called(other, by)} on {environment.instance} already."
            problems["path_prefix"] = [f"{taken} Choose another prefix."]
    if problems:
        raise Invalid(problems)


def _hold_port(environment: Environment, by: User) -> None:
    """Reserve the public port that was asked for, or say who has it."""
    holders = PortReservation.objects.filter(holder=environment.uuid)
    holders.exclude(instance=environment.instance_id).delete()
    port = environment.public_port
    if port is None:
        return
    _refuse_own_ports(environment.instance, port)
    holders.exclude(number=port).delete()
    try:
        with transaction.atomic():
            PortReservation.objects.get_or_create(
                instance=environment.instance, holder=environment.uuid, defaults={"number": port}
            )
    except IntegrityError:
        who = _holder(environment.instance, port, by)
        raise Invalid(
            {
                "host_port": f"{port} is taken on {environment.instance}{who}. Choose another port, "
                "or leave it empty to get a free one."
            }
        ) from None


def _refuse_own_ports(instance: Instance, port: int) -> None:
    """Ports that the portal itself needs there."""
    if instance.kind == Kind.LOCAL:
        if port == HTTP_PORT:
            raise Invalid({"host_port": "On this machine the port must be from 1024 to 65535."})
        taken = port in (settings.PORT, *settings.LOCAL_PRIVATE_PORTS)
    else:
        taken = port in (instance.ssh_port, *settings.REMOTE_PRIVATE_PORTS)
    if taken:
        raise Invalid({"host_port": f"{port} is used by the portal itself. Choose another port."})


def _holder(instance: Instance, port: int, by: User) -> str:
    holders = PortReservation.objects.filter(instance=instance, number=port).values("holder")
    other = Environment.objects.filter(uuid__in=holders).select_related("application__team").first()
    return f" by {_called(other, by)}" if other else ""


def _called(other: Environment, by: User) -> str:
    """Its name, for those who may see it."""
    if access.can(by, "application.see", other.application.team):
        return str(other)
    return "another team's environment"
