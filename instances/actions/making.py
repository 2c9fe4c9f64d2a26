"""New instances: a server that somebody else made, and a machine of AWS."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from instances import inputs, rules
from instances.actions.fields import named, refuse_unknown, validate_row
from instances.actions.waking import wake_fleet
from instances.hosts import keys
from instances.models import Instance
from instances.states import Kind, Status
from portal.core import audit
from portal.core.conflicts import atomic_again
from portal.core.errors import ActionDenied, Invalid
from portal.core.models import Team, User
from portal.core.refusals import audited

EVERYBODY = {"0.0.0.0/0", "::/0"}
EC2_FIELDS = {"region", "instance_type", "volume_gb", "image_id", "subnet", "elastic", "zone"}


@audited("instance.register")
@atomic_again
def register_server(
    *,
    name: str,
    ssh_host: str,
    by: User,
    ssh_port: int | str = 22,
    ssh_user: str = "root",
    team: Team | None = None,
    jump: Instance | None = None,
    private_key: str = "",
) -> Instance:
    """Take up a server that is there; nothing is sent to it before its fingerprint is confirmed."""
    rules.check_can_register(by, team)
    inputs.check_fields({"name": name, "ssh_host": ssh_host, "ssh_port": ssh_port, "ssh_user": ssh_user})
    check_jump(jump, by=by, team=team)
    instance = Instance(
        name=name, kind=Kind.SERVER, status=Status.PENDING, team=team, address=ssh_host, ssh_host=ssh_host,
        ssh_port=inputs.parse_port(ssh_port), ssh_user=ssh_user, jump=jump, created_by=by,
    )  # fmt: skip
    set_key(instance, private_key)
    validate_row(instance)
    instance.save()
    audit.record(
        "instance.register", instance, by=by, team=team, host=ssh_host, port=instance.ssh_port, user=ssh_user,
        key=keys.fingerprint(instance.public_key), uploaded=bool(private_key),
    )  # fmt: skip
    return instance


@audited("instance.create")
@atomic_again
def create_ec2(
    *, name: str, by: User, team: Team | None = None, now: bool = False, **fields: Any
) -> Instance:
    """Plan a machine of AWS; it is made with its first deployment, or at once with `now`."""
    rules.check_can_create(by, team)
    refuse_unknown(fields, EC2_FIELDS)
    check_exposure()
    wanted: dict[str, Any] = {
        "region": settings.AWS_REGION,
        "instance_type": settings.EC2_INSTANCE_TYPE,
        "volume_gb": settings.EC2_VOLUME_SIZE,
        "image_id": settings.EC2_AMI_ID if fields.get("region", settings.AWS_REGION) == settings.AWS_REGION else "",
    } | {key: value for key, value in fields.items() if value not in (None, "")}  # fmt: skip
    inputs.check_fields({"name": name} | wanted)
    _check_zone(wanted)
    instance = Instance(
        name=name, kind=Kind.EC2, status=Status.PENDING, team=team, created_by=by, max_applications=10,
        due_at=timezone.now() if now else None, **wanted,
    )  # fmt: skip
    validate_row(instance)
    instance.save()
    audit.record("instance.create", instance, by=by, team=team, now=now, **wanted)
    if now:
        wake_fleet()
    return instance


@audited("instance.create_now")
@atomic_again
def create_now(*, instance: Instance, by: User) -> Instance:
    """Have a planned machine made at once."""
    rules.check_can_create_now(by, instance)
    check_exposure()
    instance.due_at = timezone.now()
    Instance.objects.filter(pk=instance.pk).update(due_at=instance.due_at)
    audit.record("instance.create_now", instance, by=by, team=instance.team)
    wake_fleet()
    return instance


def ssh_exposure() -> str:
    """The warning when everybody on the internet may knock at port 22; empty when not."""
    if settings.ALLOWED_SSH_IP not in EVERYBODY:
        return ""
    return (
        "Port 22 of its security group is open to the whole internet (ALLOWED_SSH_IP is "
        f"{settings.ALLOWED_SSH_IP}). Set it to the portal's own address, such as 203.0.113.7/32."
    )


def check_exposure() -> None:
    """With PORTAL_STRICT_SSH the warning is a refusal."""
    warning = ssh_exposure()
    if warning and settings.STRICT_SSH:
        raise ActionDenied(warning, code="ssh_exposed")


def check_jump(jump: Instance | None, *, by: User, team: Team | None) -> None:
    """A jump host is a server of the same team, and stands behind no other."""
    if jump is None:
        return
    ours = rules.can_see(by, jump) and jump.kind == Kind.SERVER and jump.team_id in (None, team and team.pk)
    if not ours:
        raise Invalid({"jump": "There is no such server in this team."})
    if jump.jump_id is not None:
        raise Invalid({"jump": f"{jump.name} itself is reached through another server. Choose that one."})


def set_key(instance: Instance, private_key: str) -> None:
    """Take the uploaded key, or make one."""
    try:
        pair = keys.check_private_key(private_key) if private_key.strip() else keys.make()
    except ValidationError as error:
        raise named("private_key", error) from None
    instance.private_key, instance.public_key = pair.private, pair.public


def _check_zone(wanted: dict[str, Any]) -> None:
    try:
        inputs.check_zone(wanted.get("zone"), wanted["region"])
    except ValidationError as error:
        raise named("zone", error) from None
