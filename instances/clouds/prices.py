"""What machines cost on demand in US dollars: a dated table, not a bill.

A file `prices.json` in the data folder, of the same form, takes the place of ours.
"""

import json
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from instances.models import Instance
from instances.states import Kind

HOURS_PER_MONTH = 730
HOURS_PER_DAY = 24
BILLED_STATES = {"pending", "running"}


@cache
def _table() -> dict[str, Any]:
    own = Path(settings.DATA_DIR) / "prices.json"
    path = own if own.is_file() else Path(__file__).with_name("prices.json")
    table: dict[str, Any] = json.loads(path.read_text())
    return table


PRICES_OF = date.fromisoformat(_table()["of"])


def hourly(instance_type: str, region: str) -> Decimal | None:
    """An hour of a running machine, or None when the table does not know it."""
    price = _table()["regions"].get(region, {}).get("hourly", {}).get(instance_type)
    return None if price is None else Decimal(price)


def volume_hour(gigabytes: int, region: str) -> Decimal | None:
    """An hour of a disk, which costs the same while its machine is stopped."""
    price = _table()["regions"].get(region, {}).get("volume_gb_month")
    return None if price is None else Decimal(price) * gigabytes / HOURS_PER_MONTH


def address_hour() -> Decimal:
    """An hour of a public IPv4 address."""
    return Decimal(_table()["address_hour"])


def cost_per_hour(instance: Instance) -> Decimal | None:
    """What an instance costs now with disk and address; None when the table does not know it."""
    if (
        instance.kind != Kind.EC2
        or not instance.aws_id
        or instance.aws_state in ("terminated", "shutting-down")
    ):
        return Decimal(0)
    machine = hourly(instance.instance_type, instance.region)
    volume = volume_hour(instance.volume_gb, instance.region)
    if machine is None or volume is None:
        return None
    running = machine if instance.aws_state in BILLED_STATES else Decimal(0)
    has_address = instance.public_ip or instance.allocation_id
    return running + volume + (address_hour() if has_address else Decimal(0))


def cost_per_day(instance: Instance) -> Decimal | None:
    """The same for a whole day."""
    hour = cost_per_hour(instance)
    return None if hour is None else hour * HOURS_PER_DAY
