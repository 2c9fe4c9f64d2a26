"""What machines cost comes from a dated table, and is never guessed."""

from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings

from instances.clouds import prices
from instances.models import Instance
from instances.states import Kind

REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1")


@pytest.mark.parametrize("region", REGIONS)
def test_every_allowed_type_has_a_price_in_every_region_of_the_table(region: str) -> None:
    missing = [name for name in settings.EC2_INSTANCE_TYPES if prices.hourly(name, region) is None]
    assert missing == []


def test_what_the_table_does_not_know_has_no_price() -> None:
    assert prices.hourly("p5.48xlarge", "us-east-1") is None
    assert prices.hourly("t3.micro", "mars-1") is None


def ec2(**fields: Any) -> Instance:
    defaults: dict[str, Any] = {
        "kind": Kind.EC2, "region": "us-east-1", "instance_type": "t3.micro", "volume_gb": 73,
        "aws_id": "i-1", "aws_state": "running",
    }  # fmt: skip
    return Instance(**(defaults | fields))


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({}, "0.0184"),
        ({"public_ip": "203.0.113.1"}, "0.0234"),
        # Disk and address cost the same while it is stopped.
        ({"aws_state": "stopped", "allocation_id": "e-1"}, "0.0130"),
        ({"aws_state": "stopped"}, "0.0080"),
        ({"aws_state": "terminated"}, "0"),
        ({"aws_id": ""}, "0"),
        ({"kind": Kind.SERVER}, "0"),
    ],
)
def test_an_hour_is_machine_disk_and_address(fields: dict[str, Any], cost: str) -> None:
    assert prices.cost_per_hour(ec2(**fields)) == Decimal(cost)


def test_a_day_has_24_hours_and_an_unknown_type_none() -> None:
    assert prices.cost_per_day(ec2()) == Decimal("0.0184") * 24
    assert prices.cost_per_day(ec2(instance_type="p5.48xlarge")) is None
