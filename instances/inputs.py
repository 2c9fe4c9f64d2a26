"""What may stand in the fields of an instance; every surface comes through here."""

import re
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from portal.core.addresses import check_ssh_host
from portal.core.errors import Invalid

NAME = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")
SSH_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
REGION = re.compile(r"[a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}")
IMAGE = re.compile(r"ami-[0-9a-f]{8,17}")
SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}")
DECIMAL = re.compile(r"[0-9]{1,5}")

# Words of addresses, of the form for deployments, and names that mean another machine.
RESERVED_NAMES = frozenset(
    "add adopt aws bootstrap ec2 fargate local localhost new none null orphans policy portal server sync".split()  # noqa: SIM905
)
SMALLEST_VOLUME, LARGEST_VOLUME = 8, 16384


def check_name(value: Any) -> None:
    """Refuse what cannot be the name of a machine."""
    if not isinstance(value, str) or not NAME.fullmatch(value) or "--" in value:
        raise ValidationError(
            "The name must have 3 to 40 characters: small letters, digits and single hyphens, beginning with a "
            "letter. Write for example gpu-1.",
            code="instance_name",
        )
    if value in RESERVED_NAMES:
        raise ValidationError(f"The name {value} is reserved. Write for example {value}-1.", code="reserved")


def check_ssh_user(value: Any) -> None:
    """Refuse what cannot be the name of an account."""
    if not isinstance(value, str) or not SSH_USER.fullmatch(value):
        raise ValidationError(
            "This is no account name: small letters, digits, hyphens and underscores, at most 32, beginning with a "
            "letter. Write for example ubuntu.",
            code="ssh_user",
        )


def parse_port(value: Any) -> int:
    """The port that plain decimal digits or a whole number name."""
    number = int(value) if isinstance(value, str) and DECIMAL.fullmatch(value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 65535:
        raise ValidationError("Write a port as digits, from 1 to 65535. SSH usually has 22.", code="port")
    return number


def check_region(value: Any) -> None:
    """Refuse what is no region of AWS."""
    if not isinstance(value, str) or not REGION.fullmatch(value):
        raise ValidationError("This is no region of AWS. Write for example eu-central-1.", code="region")


def check_instance_type(value: Any) -> None:
    """Refuse what is not on the list that the administrator allows."""
    if value not in settings.EC2_INSTANCE_TYPES:
        raise ValidationError(
            f"This type is not allowed here. Choose one of {', '.join(settings.EC2_INSTANCE_TYPES)}; "
            "an administrator can change the list with PORTAL_EC2_INSTANCE_TYPES.",
            code="instance_type",
        )


def check_volume(value: Any) -> None:
    """Refuse disks on which no machine image fits, and larger ones than there are."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not SMALLEST_VOLUME <= value <= LARGEST_VOLUME
    ):
        raise ValidationError(
            f"Write the size of the disk as whole gigabytes, from {SMALLEST_VOLUME} to {LARGEST_VOLUME}.",
            code="volume",
        )


def check_image(value: Any) -> None:
    """Refuse what is no AMI; empty means that the portal finds the right one."""
    if value and (not isinstance(value, str) or not IMAGE.fullmatch(value)):
        raise ValidationError(
            "This is no AMI. Write its id, such as ami-0c7217cdde317cfec, or leave it empty for the newest Ubuntu.",
            code="image",
        )


def check_subnet(value: Any) -> None:
    """Refuse what is no subnet; empty means one of the default network."""
    if value and (not isinstance(value, str) or not SUBNET.fullmatch(value)):
        raise ValidationError(
            "This is no subnet. Write its id, such as subnet-0a1b2c3d, or leave it empty for the default network.",
            code="subnet",
        )


def check_zone(value: Any, region: str) -> None:
    """Refuse a zone that is none of the region's."""
    if value and (not isinstance(value, str) or not re.fullmatch(re.escape(region) + "[a-z]", value)):
        raise ValidationError(
            f"This is no zone of {region}. Write for example {region}a, or leave it empty.", code="zone"
        )


CHECKS = {
    "name": check_name, "ssh_host": check_ssh_host, "ssh_user": check_ssh_user, "ssh_port": parse_port,
    "region": check_region, "instance_type": check_instance_type, "volume_gb": check_volume,
    "image_id": check_image, "subnet": check_subnet,
}  # fmt: skip


def check_fields(fields: dict[str, Any]) -> None:
    """Hold every field against its rule; raise all that is wrong at once."""
    errors: dict[str, list[str]] = {}
    for name, value in fields.items():
        check = CHECKS.get(name)
        if check is None:
            continue
        try:
            check(value)
        except ValidationError as error:
            errors[name] = error.messages
    if errors:
        raise Invalid(errors)
