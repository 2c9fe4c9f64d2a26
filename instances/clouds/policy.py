"""The smallest policy with which the portal works, made from what it calls."""

from typing import Any

from django.conf import settings

from instances.clouds.base import INSTALLATION_TAG

LOOK = (
    "ec2:DescribeAddresses", "ec2:DescribeAvailabilityZones", "ec2:DescribeImages",
    "ec2:DescribeInstanceStatus", "ec2:DescribeInstances", "ec2:DescribeKeyPairs",
    "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs", "sts:GetCallerIdentity",
)  # fmt: skip
# Each with the things that it makes; they carry our tag from the call that makes them.
MAKE = {
    "ec2:RunInstances": ("instance", "volume", "network-interface"),
    "ec2:ImportKeyPair": ("key-pair",),
    "ec2:CreateSecurityGroup": ("security-group",),
    "ec2:AllocateAddress": ("elastic-ip",),
}
# What making one of them uses besides.
USE = {
    "ec2:RunInstances": ("image", "subnet", "security-group", "key-pair"),
    "ec2:CreateSecurityGroup": ("vpc",),
}
CHANGE = (
    "ec2:StartInstances", "ec2:StopInstances", "ec2:RebootInstances", "ec2:TerminateInstances",
    "ec2:GetConsoleOutput", "ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress",
    "ec2:DeleteSecurityGroup", "ec2:DeleteKeyPair", "ec2:AssociateAddress", "ec2:DisassociateAddress", "ec2:ReleaseAddress",
)  # fmt: skip
TAG = "ec2:CreateTags"
PARAMETER = "ssm:GetParameter"


def actions() -> set[str]:
    """Every action that the portal calls, and the one that tagging needs."""
    return {*LOOK, *MAKE, *CHANGE, TAG, PARAMETER}


def policy() -> dict[str, Any]:
    """The policy as IAM takes it: looking everywhere, making only with our tag, changing only what has it."""
    with_tag = {"StringEquals": {f"aws:RequestTag/{INSTALLATION_TAG}": settings.INSTALLATION}}
    tagged = {"StringEquals": {f"aws:ResourceTag/{INSTALLATION_TAG}": settings.INSTALLATION}}
    making = [action.partition(":")[2] for action in MAKE]
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow("Look", LOOK, ["*"]),
            _allow("ReadPublicImageNames", [PARAMETER], ["arn:aws:ssm:*::parameter/aws/service/*"]),
            *(
                _allow(f"Make{action.partition(':')[2]}", [action], _arns(kinds), with_tag)
                for action, kinds in MAKE.items()
            ),
            *(
                _allow(f"For{action.partition(':')[2]}", [action], _arns(kinds))
                for action, kinds in USE.items()
            ),
            _allow("TagWhatIsMade", [TAG], _arns(("*",)), {"StringEquals": {"ec2:CreateAction": making}}),
            _allow("ChangeOnlyOurs", CHANGE, _arns(("*",)), tagged),
        ],
    }


def _allow(
    name: str, names: Any, resources: list[str], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    statement = {"Sid": name, "Effect": "Allow", "Action": sorted(names), "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def _arns(kinds: tuple[str, ...]) -> list[str]:
    return [f"arn:aws:ec2:*:*:{kind}/*" if kind != "*" else "arn:aws:ec2:*:*:*" for kind in kinds]
