"""Instances and machines of AWS beside each other: which of the two knows what, and whether they agree."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from instances import costs
from instances.clouds import prices
from instances.models import Instance, Orphan
from instances.states import Kind, OrphanKind, Status

# What AWS says, and which states of ours mean the same.
AGREES = {
    "pending": {Status.PENDING},
    "running": {Status.RUNNING, Status.UNREACHABLE},
    "stopping": {Status.STOPPING},
    "stopped": {Status.STOPPED},
    "shutting-down": {Status.TERMINATING},
    "terminated": {Status.TERMINATED},
}


def source_of(instance: Instance) -> str:
    """`db+aws` for what AWS has too, else `db_only`."""
    gone = instance.aws_state in ("", "terminated", "missing")
    return "db+aws" if instance.aws_id and not gone else "db_only"


def state_match(instance: Instance) -> bool | None:
    """Whether AWS says the same as the row; None where AWS has no say."""
    if instance.kind != Kind.EC2 or not instance.aws_id:
        return None
    return instance.status in AGREES.get(instance.aws_state, set())


@dataclass(frozen=True)
class Stray:
    """An orphan as pages show it: how old it is, and what it costs."""

    orphan: Orphan
    price: costs.Price | None

    @property
    def is_machine(self) -> bool:
        return bool(self.orphan.kind == OrphanKind.MACHINE)

    @property
    def made_at(self) -> datetime:
        return self.orphan.made_at or self.orphan.first_seen_at

    @property
    def detail(self) -> str:
        """What it is, in a few words."""
        details: dict[str, Any] = self.orphan.details
        words = [
            details.get("instance_type") or details.get("type"),
            details.get("state"),
            self.orphan.region,
        ]
        return " · ".join(str(word) for word in words if word)


def per_day(orphan: Orphan) -> costs.Price | None:
    """What something without a row costs; a machine that does not run costs only its disk, which is not known."""
    details = orphan.details
    if orphan.kind == OrphanKind.MACHINE and details.get("state") not in ("pending", "running"):
        return None
    if details.get("hourly_usd"):
        return costs.Price(Decimal(str(details["hourly_usd"])), prices.PRICES_OF)
    if orphan.kind == OrphanKind.MACHINE:
        return costs.price_of(str(details.get("instance_type", "")), orphan.region)
    return None


def total_per_hour(instances: list[Instance]) -> Decimal:
    """What the rows of a list cost together at this moment."""
    return sum((costs.now_per_hour(instance) for instance in instances), Decimal(0))
