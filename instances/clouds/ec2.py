"""The machines of EC2 in one region. Nothing waits here; whoever calls looks again later."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from instances.clouds.base import Address, Check, CloudError, Image, Machine, Network, Subnet, Tags
from instances.clouds.ec2_api import Api
from instances.clouds.ec2_checks import validate
from instances.clouds.ec2_groups import Groups
from instances.clouds.ec2_keys import KeyPairs
from instances.clouds.requests import as_list, as_tags
from instances.clouds.tags import is_ours

CANONICAL = "099720109477"
# The account that signs in, by a part of the image's name.
USERS = {"ubuntu": "ubuntu", "debian": "admin", "al2023": "ec2-user", "amzn": "ec2-user"}


class EC2Machines(Groups, KeyPairs):
    """EC2 of one region, limited to what carries this installation's tag."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.api = Api(region)

    # --- images and networks ---------------------------------------------------------------------

    def resolve_image(self, parameter: str) -> str:
        answer = self.api.call("GetParameter", Name=parameter)
        return str(answer["Parameter"]["Value"])

    def check_image(self, image_id: str) -> Image:
        found = self.api.call("DescribeImages", ImageIds=[image_id])["Images"]
        if not found:
            raise CloudError("aws_image_not_found", f"There is no image {image_id} in {self.region}.")
        image = found[0]
        name = str(image.get("Name", ""))
        return Image(
            id=image_id,
            name=name,
            architecture=str(image.get("Architecture", "")),
            root_device=str(image.get("RootDeviceName") or "/dev/sda1"),
            user=_user_of(name, str(image.get("OwnerId", ""))),
        )

    def networks(self) -> list[Network]:
        found = [
            Network(
                id=row["VpcId"],
                cidr=row.get("CidrBlock", ""),
                default=bool(row.get("IsDefault")),
                name=as_tags(row.get("Tags")).get("Name", ""),
            )
            for row in self.api.pages("DescribeVpcs", "Vpcs")
        ]
        return sorted(found, key=lambda network: (not network.default, network.name, network.id))

    def subnets(self, network: str = "") -> list[Subnet]:
        filters = [{"Name": "vpc-id", "Values": [network]}] if network else []
        found = [
            Subnet(
                id=row["SubnetId"],
                network=row["VpcId"],
                zone=row["AvailabilityZone"],
                cidr=row.get("CidrBlock", ""),
                public=bool(row.get("MapPublicIpOnLaunch")),
                default=bool(row.get("DefaultForAz")),
                name=as_tags(row.get("Tags")).get("Name", ""),
            )
            for row in self.api.pages("DescribeSubnets", "Subnets", Filters=filters)
        ]
        return sorted(found, key=lambda subnet: (not subnet.default, subnet.zone, subnet.id))

    # --- machines --------------------------------------------------------------------------------

    def run(self, request: Mapping[str, Any], token: str) -> Machine:
        answer = self.api.call("RunInstances", ClientToken=token, **request)
        return _machine(answer["Instances"][0])

    def find(self, id: str) -> Machine | None:
        try:
            found = self._machines(InstanceIds=[id])
        except CloudError as error:
            if error.code == "aws_not_found":
                return None
            raise
        return found[0] if found else None

    def find_tagged(self, instance: str) -> Machine | None:
        own = {"Name": "tag:portal:instance", "Values": [instance]}
        found = self._machines(Filters=[self.api.our_filter(), own])
        return min(found, key=lambda machine: not machine.live, default=None)

    def machines(self) -> list[Machine]:
        return self._machines(Filters=[self.api.our_filter()])

    def start(self, id: str) -> None:
        self._check_ours(id)
        self.api.call("StartInstances", InstanceIds=[id])

    def stop(self, id: str) -> None:
        self._check_ours(id)
        self.api.call("StopInstances", InstanceIds=[id])

    def reboot(self, id: str) -> None:
        self._check_ours(id)
        self.api.call("RebootInstances", InstanceIds=[id])

    def terminate(self, id: str) -> None:
        self._check_ours(id)
        self.api.call("TerminateInstances", InstanceIds=[id])

    def status(self, id: str) -> str:
        found = self.api.call("DescribeInstanceStatus", InstanceIds=[id])["InstanceStatuses"]
        return str(found[0]["InstanceStatus"]["Status"]) if found else ""

    def console(self, id: str) -> str:
        # botocore has taken the base64 off.
        return str(self.api.call("GetConsoleOutput", InstanceId=id).get("Output", ""))

    # --- elastic addresses -----------------------------------------------------------------------

    def allocate_address(self, tags: Tags) -> Address:
        specification = [{"ResourceType": "elastic-ip", "Tags": as_list(tags)}]
        answer = self.api.call("AllocateAddress", Domain="vpc", TagSpecifications=specification)
        return Address(answer["AllocationId"], answer["PublicIp"], "", tags)

    def associate(self, address_id: str, machine_id: str) -> None:
        self._check_ours(machine_id)
        self.api.call(
            "AssociateAddress", AllocationId=address_id, InstanceId=machine_id, AllowReassociation=False
        )

    def release(self, address_id: str) -> None:
        address = next((own for own in self.addresses() if own.id == address_id), None)
        if address is None:
            return
        machine = self.find(address.machine) if address.machine else None
        if machine is not None and machine.live:
            raise CloudError("aws_in_use", f"{address.ip} belongs to {address.machine}.", again=True)
        if machine is not None:
            self._disassociate(address_id)
        self.api.call("ReleaseAddress", AllocationId=address_id)

    def _disassociate(self, address_id: str) -> None:
        for row in self.api.call("DescribeAddresses", AllocationIds=[address_id])["Addresses"]:
            if row.get("AssociationId"):
                self.api.call("DisassociateAddress", AssociationId=row["AssociationId"])

    def addresses(self) -> list[Address]:
        answer = self.api.call("DescribeAddresses", Filters=[self.api.our_filter()])
        return [
            Address(row["AllocationId"], row["PublicIp"], row.get("InstanceId", ""), as_tags(row.get("Tags")))
            for row in answer["Addresses"]
        ]

    def validate(self) -> list[Check]:
        return validate(self)

    def _machines(self, **limits: Any) -> list[Machine]:
        reservations = self.api.pages("DescribeInstances", "Reservations", **limits)
        return [_machine(row) for reservation in reservations for row in reservation["Instances"]]

    def _check_ours(self, id: str) -> None:
        """Refuse to act on what does not carry our tag, whatever a row of ours may say."""
        machine = self.find(id)
        if machine is None:
            raise CloudError("aws_not_found", f"AWS knows no machine {id} in {self.region}.")
        if not is_ours(machine.tags):
            raise CloudError("aws_not_ours", f"{id} does not carry this portal's tag.")


def _machine(row: Mapping[str, Any]) -> Machine:
    launched: datetime | None = row.get("LaunchTime")
    return Machine(
        id=row["InstanceId"],
        state=row["State"]["Name"],
        type=row.get("InstanceType", ""),
        image_id=row.get("ImageId", ""),
        zone=row.get("Placement", {}).get("AvailabilityZone", ""),
        subnet=row.get("SubnetId", ""),
        public_ip=row.get("PublicIpAddress") or "",
        private_ip=row.get("PrivateIpAddress") or "",
        key_pair=row.get("KeyName", ""),
        groups=tuple(group["GroupId"] for group in row.get("SecurityGroups", [])),
        launched_at=launched,
        tags=as_tags(row.get("Tags")),
        reason=row.get("StateReason", {}).get("Message", ""),
    )


def _user_of(name: str, owner: str) -> str:
    if owner == CANONICAL:
        return "ubuntu"
    return next((user for part, user in USERS.items() if part in name.lower()), "ubuntu")
