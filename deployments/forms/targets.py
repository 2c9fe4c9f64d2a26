"""The places that a form offers."""

from django.conf import settings
from django.db.models import QuerySet

from deployments.actions.targets import NEW
from instances.clouds import prices
from instances.models import Instance
from instances.rules import USABLE, needs_connecting
from instances.states import Kind, Wanted

__all__ = ["NEW", "describe", "price_note", "region_choices", "target_choices", "type_choices", "usable"]

REGIONS = [
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-central-1", "eu-central-2",
    "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3", "ap-northeast-1", "ap-northeast-2",
    "ap-south-1", "ap-southeast-1", "ap-southeast-2", "me-central-1", "af-south-1",
]  # fmt: skip


def usable(instances: QuerySet[Instance]) -> list[Instance]:
    """Those that take new deployments."""
    rows = instances.filter(status__in=USABLE, draining=False, deleted_at__isnull=True).order_by("name")
    return [row for row in rows.exclude(wanted=Wanted.TERMINATED) if not needs_connecting(row)]


def target_choices(instances: QuerySet[Instance]) -> list[tuple[str, str]]:
    """This machine, every other one with kind and address, and a new one."""
    others = [(row.name, describe(row)) for row in usable(instances) if row.kind != Kind.LOCAL]
    return [("", "This machine (local)"), *others, (NEW[0], "New EC2 instance")]


def describe(instance: Instance) -> str:
    """Name, kind and address in one line."""
    address = instance.address or instance.ssh_host
    details = [str(instance.get_kind_display()), *([address] if address else [])]
    return f"{instance.name} ({', '.join(details)})"


def region_choices() -> list[tuple[str, str]]:
    """The portal's own region first."""
    own: str = settings.AWS_REGION
    return [(name, name) for name in dict.fromkeys([own, *REGIONS])]


def type_choices() -> list[tuple[str, str]]:
    """The types that the administrator allows with their prices, the usual one first."""
    usual: str = settings.EC2_INSTANCE_TYPE
    return [(name, _priced(name)) for name in dict.fromkeys([usual, *settings.EC2_INSTANCE_TYPES])]


def _priced(name: str) -> str:
    price = prices.hourly(name, settings.AWS_REGION)
    return name if price is None else f"{name} · ${price.normalize():f} an hour"


def price_note() -> str:
    """What the prices mean."""
    return f"Without disk and address, in {settings.AWS_REGION}, as of {prices.PRICES_OF:%B %Y}."
