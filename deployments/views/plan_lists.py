"""The three lists of a plan in the words of people."""

from dataclasses import dataclass

from deployments.planning import Item, Plan

WORDS = {
    "ami": "machine image", "key_pair": "key pair", "packages": "software", "public_port": "public port",
    "security_group": "firewall", "site": "address",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """An item in the words of people."""

    words: str
    name: str
    detail: str


@dataclass(frozen=True)
class Listed:
    """One of the three lists."""

    key: str
    title: str
    icon: str
    tone: str
    items: list[Row]


def lists_of(plan: Plan | None) -> list[Listed]:
    """What is created, changed and kept."""
    if plan is None:
        return []
    return [
        Listed("created", "Created", "plus", "good", _rows(plan.created)),
        Listed("changed", "Changed", "pencil", "warn", _rows(plan.changed)),
        Listed("kept", "Kept", "check", "muted", _rows(plan.kept)),
    ]


def _rows(items: tuple[Item, ...]) -> list[Row]:
    return [Row(WORDS.get(item.kind, item.kind), item.name, item.detail) for item in items]
