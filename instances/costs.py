"""What machines cost, from the dated table of prices."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from instances.clouds import prices
from instances.models import Instance
from instances.states import Kind, Status


@dataclass(frozen=True)
class Price:
    """US dollars for a machine that runs, with its disk and public address but without traffic."""

    hour: Decimal
    of: date

    @property
    def day(self) -> Decimal:
        return self.hour * prices.HOURS_PER_DAY

    @property
    def month(self) -> Decimal:
        return self.hour * prices.HOURS_PER_MONTH


def price_of(instance_type: str, region: str, volume_gb: int = 0) -> Price | None:
    """The price of a type in a region, or None when the table does not know it."""
    machine = prices.hourly(instance_type, region) if instance_type else None
    volume = prices.volume_hour(volume_gb, region)
    if machine is None or volume is None:
        return None
    return Price(machine + volume + prices.address_hour(), prices.PRICES_OF)


def price(instance: Instance) -> Price | None:
    """The price of a machine of AWS while it runs; one that is gone has none."""
    if instance.kind != Kind.EC2 or instance.status == Status.TERMINATED:
        return None
    return price_of(instance.instance_type, instance.region, instance.volume_gb)


def now_per_hour(instance: Instance) -> Decimal:
    """What it costs at this moment; a stopped one still has its disk."""
    return prices.cost_per_hour(instance) or Decimal(0)
