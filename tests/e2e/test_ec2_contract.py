"""The same promises against an AWS with real machines, where one lies beside the checkout."""

from collections.abc import Iterator

import pytest

from instances.clouds.ec2 import EC2Machines
from portal.core import aws
from tests.e2e import cloud
from tests.integration.machines_contract import MachinesContract, Region
from tests.integration.test_ec2_machines import UBUNTU

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cloudbox,
    pytest.mark.timeout(300),
]


class TestTestCloud(MachinesContract):
    @pytest.fixture
    def region(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Region]:
        variables = cloud.environment()
        for name, value in variables.items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)
        aws.forget_clients()
        yield Region(EC2Machines(variables["AWS_REGION"]), UBUNTU)
        aws.forget_clients()

    def end_foreign(self, region: Region, id: str) -> None:
        aws.client("ec2", region.cloud.region).terminate_instances(InstanceIds=[id])
        region.settle(id, "terminated")
