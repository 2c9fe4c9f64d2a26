"""The plan of a launch: whole in the row before AWS is asked, so that asking twice makes one machine."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from instances.clouds import requests
from instances.clouds.base import CloudError, Image, Machines, Subnet
from instances.clouds.tags import tags_for
from instances.clouds.user_data import user_data
from instances.hosts import keys
from instances.models import Instance
from portal.core.secrets import Secret

ARCHITECTURE = "x86_64"
FRESH = timedelta(minutes=5)


@dataclass
class Launch:
    """One generation of it: the very request, and the subnets to try when this one has no room."""

    generation: int = 1
    request: dict[str, Any] = field(default_factory=dict)
    user: str = ""
    left: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    stored_at: str = ""

    @classmethod
    def of(cls, instance: Instance) -> "Launch":
        text = instance.launch.reveal()
        return cls(**json.loads(text)) if text else cls()


def token_of(instance: Instance, generation: int) -> str:
    """The same for the same generation, whoever asks; 64 characters, as AWS allows."""
    parts = f"{settings.INSTALLATION}:{instance.uuid}:{generation}"
    return hashlib.sha256(parts.encode()).hexdigest()[:64]


def prepare(instance: Instance, cloud: Machines, warm: Sequence[str]) -> None:
    """Decide everything about the machine and store it, unless another worker has done so."""
    image = wanted_image(instance, cloud)
    subnets = possible_subnets(instance, cloud)
    host_key = keys.make()
    before = Launch.of(instance)
    request = requests.run_request(
        image=image,
        instance_type=instance.instance_type or settings.EC2_INSTANCE_TYPE,
        subnet=subnets[0].id,
        group=instance.group_id,
        key_pair=instance.key_pair,
        volume_gb=instance.volume_gb,
        tags=tags_for(instance.name, instance=str(instance.uuid), labels=labels_of(instance)),
        user_data=user_data(
            instance=str(instance.uuid),
            host_private=host_key.private,
            host_public=host_key.public,
            client_public=instance.public_key,
            warm=warm,
        ),
    )
    launch = Launch(
        generation=before.generation,
        request=request,
        user=instance.ssh_user or image.user,
        left=[subnet.id for subnet in subnets[1:]],
        tried=[subnets[0].zone],
    )
    _store(
        instance, launch, was="", host_keys=[host_key.public], image_id=image.id, ssh_user=launch.user,
        host_key_confirmed_at=None,
    )  # fmt: skip


def next_place(instance: Instance, launch: Launch, cloud: Machines, refusal: CloudError) -> None:
    """Try the next subnet as a new generation; raises when there is none left."""
    if not launch.left:
        forget(instance, launch)
        zones = ", ".join(launch.tried)
        raise CloudError(
            refusal.code, f"No zone has room for {launch.request['InstanceType']} ({zones}). {refusal.detail}"
        )
    subnet = launch.left[0]
    zone = next((known.zone for known in cloud.subnets() if known.id == subnet), subnet)
    following = Launch(
        generation=launch.generation + 1,
        request=requests.in_subnet(launch.request, subnet),
        user=launch.user,
        left=launch.left[1:],
        tried=[*launch.tried, zone],
    )
    _store(instance, following, was=instance.client_token)


def forget(instance: Instance, launch: Launch) -> None:
    """AWS has refused for good: the next attempt is planned anew, with a token of its own."""
    _store(instance, Launch(generation=launch.generation + 1), was=instance.client_token)


def is_fresh(instance: Instance) -> bool:
    """Whether a request was planned so recently that its machine may not show yet."""
    launch = Launch.of(instance)
    if not launch.request or not launch.stored_at:
        return False
    return timezone.now() - datetime.fromisoformat(launch.stored_at) < FRESH


def wanted_image(instance: Instance, cloud: Machines) -> Image:
    """The image asked for, or the newest Ubuntu of the region; says which one is right when it is not."""
    named = instance.image_id
    if not named and instance.region == settings.AWS_REGION:
        named = settings.EC2_AMI_ID
    proposal = "" if named else cloud.resolve_image(settings.EC2_AMI_PARAMETER)
    try:
        image = cloud.check_image(named or proposal)
    except CloudError as error:
        if error.code != "aws_image_not_found" or not named:
            raise
        right = cloud.resolve_image(settings.EC2_AMI_PARAMETER)
        raise CloudError(
            error.code, f"There is no image {named} in {instance.region}; use {right}. {error.detail}"
        ) from error
    if image.architecture not in ("", ARCHITECTURE):
        raise CloudError(
            "aws_image_not_found", f"{image.id} is for {image.architecture}, not {ARCHITECTURE}."
        )
    return image


def possible_subnets(instance: Instance, cloud: Machines) -> list[Subnet]:
    """The subnet that was chosen, or those of the default network with the wanted zone first."""
    found = cloud.subnets()
    if instance.subnet:
        # Somebody chose it for its routes; another one is no replacement.
        chosen = [subnet for subnet in found if subnet.id == instance.subnet]
        if not chosen:
            raise CloudError("aws_not_found", f"There is no subnet {instance.subnet} in {instance.region}.")
        return chosen
    default = sorted(
        (subnet for subnet in found if subnet.default), key=lambda one: (one.zone != instance.zone, one.zone)
    )
    if not default:
        raise CloudError(
            "aws_no_network", f"{instance.region} has no default network; choose a subnet for {instance}."
        )
    return default


def labels_of(instance: Instance) -> dict[str, str]:
    """Whom and what the machine is for, as far as its row tells. Read through the relation only."""
    labels = {"owner": instance.created_by.username if instance.created_by else ""}
    environments = list(instance.environments.select_related("application")[:2])
    if len(environments) == 1:
        labels |= {"application": environments[0].application.name, "environment": environments[0].name}
    return labels


def _store(instance: Instance, launch: Launch, *, was: str, **changes: Any) -> None:
    """Replace the plan by this one in one conditional UPDATE; another worker's plan stands."""
    token = token_of(instance, launch.generation) if launch.request else ""
    launch.stored_at = timezone.now().isoformat()
    sealing = Instance(uuid=instance.uuid)
    sealing.launch = Secret(json.dumps(asdict(launch)))
    Instance.objects.filter(pk=instance.pk, client_token=was, aws_id="").update(
        client_token=token, launch_sealed=sealing.launch_sealed, **changes
    )
    instance.refresh_from_db()
