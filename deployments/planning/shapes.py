"""A plan as values: for pages, the API and the command line."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Item:
    """One thing that is created, changed or kept."""

    kind: str
    name: str
    detail: str = ""


@dataclass(frozen=True)
class Finding:
    """Something that is in the way, or that one should know; and what to do about it."""

    code: str
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Value:
    """A setting that the deployment goes by, and where it comes from."""

    name: str
    value: str
    # form, application, repo or default
    source: str


@dataclass(frozen=True)
class Cost:
    """What changes per month, in US dollars; None where the table of prices does not know it."""

    monthly_delta: Decimal | None
    hourly_delta: Decimal | None
    prices_of: date
    note: str = ""


@dataclass(frozen=True)
class Duration:
    """How long it will probably take, and by how many deployments of which kind that is known."""

    seconds: float | None
    runs: int = 0
    # environment, or instance_kind; empty when nothing is known.
    of: str = ""


@dataclass(frozen=True)
class Plan:
    """What would happen."""

    application: str
    environment: str
    instance: str
    ref: str
    commit: str
    commit_subject: str
    image: str
    created: tuple[Item, ...]
    changed: tuple[Item, ...]
    kept: tuple[Item, ...]
    blockers: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    permissions: tuple[str, ...]
    values: tuple[Value, ...]
    cost: Cost
    duration: Duration
    # Empty while something is in the way.
    plan_hash: str = ""
