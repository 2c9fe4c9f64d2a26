"""The same promises against an AWS with real machines, where one answers."""

import os
from collections.abc import Iterator
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from instances.clouds.ec2 import EC2Machines
from portal.core import aws
from tests.integration.machines_contract import MachinesContract, Region
from tests.integration.test_ec2_machines import UBUNTU

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def answers() -> bool:
    url = os.environ.get("CLOUDBOX_URL", "")
    try:
        return bool(url) and urlopen(f"{url}/status", timeout=3).status == 200
    except (URLError, OSError):
        return False


@pytest.mark.skipif(not answers(), reason="no test cloud answers")
class TestTestCloud(MachinesContract):
    @pytest.fixture
    def region(self) -> Iterator[Region]:
        aws.forget_clients()
        yield Region(EC2Machines(os.environ["AWS_REGION"]), UBUNTU)
        aws.forget_clients()

    def end_foreign(self, region: Region, id: str) -> None:
        aws.client("ec2", region.cloud.region).terminate_instances(InstanceIds=[id])
        region.settle(id, "terminated")
