"""Makes the machine of a row, and what it needs. Each function looks first, acts at most once, and returns."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from instances import following, launching
from instances.clouds.base import CloudError, Machine, Machines, Rule
from instances.clouds.fingerprints import same_key
from instances.clouds.of import machines_in
from instances.clouds.tags import tags_for
from instances.hosts import keys
from instances.models import Instance, PortReservation
from instances.states import Kind, Status, Wanted
from portal.core import audit
from portal.core.secrets import Secret

SSH_PORT = 22
WEB_PORTS = (80, 443)
# AWS may deny for a while that it has made a machine.
YOUNG = timedelta(minutes=5)
ENDED = ("shutting-down", "terminated")


def ensure_group(instance: Instance, ports: Iterable[int]) -> str:
    """Make the region's security group let in what its machines need; returns its id and stores it.

    All machines of a network share the group, so it is opened for what any of them has reserved.
    """
    cloud = machines_in(instance.region)
    network = launching.possible_subnets(instance, cloud)[0].network
    name = group_name()
    group = cloud.ensure_group(
        name,
        network=network,
        rules=wanted_rules(instance.region, ports),
        tags=tags_for(name),
        description="Machines of the portal: SSH from its network, HTTP and HTTPS.",
    )
    if instance.group_id != group:
        following.update(instance, group_id=group)
    return group


def group_name() -> str:
    """The same for all machines of this installation; two installations never share one."""
    return f"{settings.SECURITY_GROUP_NAME}-{settings.INSTALLATION[:12]}"


def wanted_rules(region: str, ports: Iterable[int] = ()) -> list[Rule]:
    """What a group lets in: SSH from one range, the public ports from the ranges allowed."""
    reserved = PortReservation.objects.filter(
        instance__region=region, instance__kind=Kind.EC2, number__in=settings.REMOTE_PUBLIC_PORTS
    ).exclude(instance__status=Status.TERMINATED)
    public = {*WEB_PORTS, *ports, *reserved.values_list("number", flat=True)}
    rules = {Rule(port, cidr) for port in public for cidr in settings.ALLOWED_HTTP_CIDRS}
    return sorted(rules | {Rule(SSH_PORT, settings.ALLOWED_SSH_IP)})


def ensure_key_pair(instance: Instance) -> str:
    """Make the key with which we sign in, bring its public half to AWS; returns the pair's name."""
    _ensure_client_key(instance)
    cloud = machines_in(instance.region)
    name = settings.AWS_KEY_PAIR_NAME
    if name:
        _check_own_pair(cloud, name, instance)
    else:
        name = f"portal-{instance.uuid.hex[:12]}"
        cloud.import_key(name, instance.public_key, tags_for(instance.name, instance=str(instance.uuid)))
    if instance.key_pair != name:
        following.update(instance, key_pair=name)
    return name


def ensure_machine(instance: Instance, *, warm: Sequence[str] = ()) -> Machine | None:
    """Return the machine once it runs and has its address; None means call again a little later.

    `warm` are images that its first build will want; they are only looked at before the launch.
    """
    instance.refresh_from_db()
    _check_wanted(instance)
    if instance.aws_id:
        return _ready(instance, observe(instance))
    if not instance.group_id:
        ensure_group(instance, ())
        return None
    if not instance.key_pair:
        ensure_key_pair(instance)
        return None
    cloud = machines_in(instance.region)
    if not instance.client_token:
        launching.prepare(instance, cloud, warm)
    # What an earlier request has made although its answer was lost; else the very request again.
    machine = cloud.find_tagged(str(instance.uuid)) or _launch(instance, cloud)
    if machine is None:
        return None
    take(instance, machine)
    return _ready(instance, machine)


def observe(instance: Instance) -> Machine | None:
    """Ask AWS about the machine and write down what it says; None while AWS may not know it yet."""
    machine = machines_in(instance.region).find(instance.aws_id)
    if machine is None:
        if is_young(instance):
            return None
        raise CloudError("aws_not_found", f"AWS no longer knows {instance.aws_id} in {instance.region}.")
    following.note(instance, machine)
    return machine


def take(instance: Instance, machine: Machine) -> None:
    """Write down that this machine is the row's, unless another worker has done so."""
    now = timezone.now()
    changes = {
        "aws_id": machine.id,
        "launched_at": machine.launched_at or now,
        "image_id": machine.image_id or instance.image_id,
        "instance_type": machine.type or instance.instance_type,
    }
    if Instance.objects.filter(pk=instance.pk, aws_id="").update(**changes, due_at=Now()):
        audit.record(
            "instance.launched", instance, by=None, team=instance.team, aws_id=machine.id, zone=machine.zone
        )
    instance.refresh_from_db()
    if instance.aws_id == machine.id:
        following.note(instance, machine)


def is_young(instance: Instance) -> bool:
    """Whether AWS may still deny the machine without meaning it."""
    return instance.launched_at is not None and timezone.now() - instance.launched_at < YOUNG


def _check_wanted(instance: Instance) -> None:
    if instance.wanted == Wanted.TERMINATED or instance.status in (Status.TERMINATING, Status.TERMINATED):
        raise CloudError("aws_failed", f"{instance} is terminated; choose or make another machine.")
    if instance.wanted == Wanted.STOPPED:
        raise CloudError("aws_failed", f"{instance} is stopped; start it first.")


def _launch(instance: Instance, cloud: Machines) -> Machine | None:
    launch = launching.Launch.of(instance)
    try:
        return cloud.run(launch.request, instance.client_token)
    except CloudError as error:
        if error.code == "aws_no_capacity":
            launching.next_place(instance, launch, cloud, error)
            return None
        if not error.again:
            # Nothing was made, and the same request will not be answered differently.
            launching.forget(instance, launch)
        raise


def _ready(instance: Instance, machine: Machine | None) -> Machine | None:
    if machine is None:
        return None
    if machine.state in ENDED:
        reason = machine.reason or "AWS gives no reason"
        raise CloudError("aws_failed", f"The machine {machine.id} has ended: {reason}.")
    if machine.state != "running" or not (machine.public_ip or machine.private_ip):
        return None
    if instance.elastic and not ensure_address(instance, machine):
        return None
    following.become(instance, Status.RUNNING, source="aws", trouble="")
    return machine


def ensure_address(instance: Instance, machine: Machine) -> bool:
    """Give the machine its elastic IP; True once it has it."""
    cloud = machines_in(instance.region)
    own = next(
        (one for one in cloud.addresses() if one.tags.get("portal:instance") == str(instance.uuid)), None
    )
    if own is None:
        own = cloud.allocate_address(tags_for(instance.name, instance=str(instance.uuid)))
    if instance.allocation_id != own.id:
        following.update(instance, allocation_id=own.id)
    if own.machine == machine.id:
        return machine.public_ip == own.ip
    cloud.associate(own.id, machine.id)
    return False


def _ensure_client_key(instance: Instance) -> None:
    if instance.private_key_sealed:
        return
    if settings.AWS_KEY_PAIR_NAME and settings.AWS_KEY_FILE:
        pair = keys.check_private_key(Path(settings.AWS_KEY_FILE).read_text())
    else:
        pair = keys.make()
    sealing = Instance(uuid=instance.uuid)
    sealing.private_key = Secret(pair.private.reveal())
    Instance.objects.filter(pk=instance.pk, private_key_sealed="").update(
        private_key_sealed=sealing.private_key_sealed, public_key=pair.public
    )
    instance.refresh_from_db()


def _check_own_pair(cloud: Machines, name: str, instance: Instance) -> None:
    """A pair that somebody else made: it has to be there, and be the key that we were given with it."""
    found = cloud.key_pair(name)
    if found is None:
        raise CloudError(
            "aws_key_pair_not_found",
            f"InvalidKeyPair.NotFound: the key pair '{name}' does not exist in {instance.region}.",
        )
    if settings.AWS_KEY_FILE and not same_key(found, instance.public_key, instance.private_key.reveal()):
        raise CloudError(
            "aws_key_pair_mismatch",
            f"The key pair {name} in {instance.region} has the fingerprint {found.fingerprint}, which is not "
            "that of the key in PORTAL_AWS_KEY_FILE.",
        )
