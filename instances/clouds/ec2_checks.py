"""Whether the portal can work with AWS as it is set up: who we are, where, and what we may do."""

from typing import TYPE_CHECKING, Any

from django.conf import settings

from instances.clouds.base import Check, CloudError
from portal.core import aws

if TYPE_CHECKING:
    from instances.clouds.ec2 import EC2Machines

NOBODY = "i-00000000000000000"
MACHINE_ACTIONS = ("StartInstances", "StopInstances", "RebootInstances", "TerminateInstances")
LOOKING = (
    "DescribeInstances", "DescribeImages", "DescribeKeyPairs", "DescribeSecurityGroups", "DescribeSubnets",
    "DescribeVpcs", "DescribeAddresses",
)  # fmt: skip


def validate(machines: "EC2Machines") -> list[Check]:
    """All checks; the later ones are left out when nobody knows who we are."""
    who = _identity(machines.region)
    if not who.ok:
        return [who]
    region = _region(machines)
    if not region.ok:
        return [who, region]
    return [who, region, _image(machines), *_permissions(machines)]


def _identity(region: str) -> Check:
    from instances.clouds.errors import translated

    try:
        with translated("GetCallerIdentity", region):
            identity = aws.identity(region)
    except CloudError as error:
        return Check("identity", False, error.detail)
    return Check("identity", True, f"{identity.arn} in account {identity.account}")


def _region(machines: "EC2Machines") -> Check:
    try:
        found = machines.api.call("DescribeAvailabilityZones")["AvailabilityZones"]
    except CloudError as error:
        return Check("region", False, error.detail)
    return Check("region", True, f"{machines.region} with {len(found)} zones")


def _image(machines: "EC2Machines") -> Check:
    try:
        image = machines.check_image(
            settings.EC2_AMI_ID or machines.resolve_image(settings.EC2_AMI_PARAMETER)
        )
    except CloudError as error:
        return Check("image", False, error.detail)
    return Check("image", True, f"{image.id} ({image.name})")


def _permissions(machines: "EC2Machines") -> list[Check]:
    """Ask for everything without doing it; AWS says which of it would be refused."""
    # A policy bound to our tag can only be tried on a machine that has it.
    try:
        own = next((machine.id for machine in machines.machines() if machine.live), NOBODY)
    except CloudError:
        own = NOBODY
    tried: list[tuple[str, dict[str, Any]]] = [(action, {}) for action in LOOKING]
    tried += [
        ("RunInstances", {"MinCount": 1, "MaxCount": 1, "ImageId": _any_image(machines)}),
        ("CreateSecurityGroup", {"GroupName": "portal-dry-run", "Description": "portal"}),
        ("AllocateAddress", {"Domain": "vpc"}),
    ]
    tried += [(action, {"InstanceIds": [own]}) for action in MACHINE_ACTIONS]
    return [_permission(machines, action, parameters) for action, parameters in tried]


def _permission(machines: "EC2Machines", action: str, parameters: dict[str, Any]) -> Check:
    name = f"ec2:{action}"
    try:
        machines.api.call(action, DryRun=True, **parameters)
    except CloudError as error:
        # Anything but a refusal means that permission was not what was lacking.
        if error.code in ("aws_unauthorized", "aws_credentials", "aws_unreachable"):
            return Check(name, False, error.detail)
    return Check(name, True, "allowed")


def _any_image(machines: "EC2Machines") -> str:
    try:
        return settings.EC2_AMI_ID or machines.resolve_image(settings.EC2_AMI_PARAMETER)
    except CloudError:
        return "ami-00000000"
