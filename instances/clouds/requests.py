"""The request for a machine, whole: it is stored before it is sent, and sent again unchanged."""

from collections.abc import Mapping
from typing import Any

from instances.clouds.base import Image, Tags

TAGGED = ("instance", "volume", "network-interface")


def run_request(
    *,
    image: Image,
    instance_type: str,
    subnet: str,
    group: str,
    key_pair: str,
    user_data: str,
    volume_gb: int,
    tags: Tags,
) -> dict[str, Any]:
    """One machine: metadata only by token and not from containers, an encrypted disk, tags from the start."""
    return {
        "ImageId": image.id,
        "InstanceType": instance_type,
        "MinCount": 1,
        "MaxCount": 1,
        "KeyName": key_pair,
        "SubnetId": subnet,
        "SecurityGroupIds": [group],
        "UserData": user_data,
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
        },
        "BlockDeviceMappings": [
            {
                "DeviceName": image.root_device,
                "Ebs": {
                    "VolumeSize": volume_gb,
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "TagSpecifications": [{"ResourceType": kind, "Tags": as_list(tags)} for kind in TAGGED],
    }


def in_subnet(request: Mapping[str, Any], subnet: str) -> dict[str, Any]:
    """The same machine in another subnet of the same network."""
    return {**request, "SubnetId": subnet}


def as_list(tags: Tags) -> list[dict[str, str]]:
    """Tags the way AWS writes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def as_tags(pairs: list[dict[str, str]] | None) -> dict[str, str]:
    """Tags the way we write them."""
    return {pair["Key"]: pair["Value"] for pair in pairs or []}
