"""What a state looks like, and the compare-and-set that moves a row from one to another."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models


@dataclass(frozen=True)
class Look:
    """How pages show a state: a tone of the design, an icon of the sprite, and one sentence."""

    tone: str
    icon: str
    sentence: str


class WrongState(Exception):
    """The row was not in a state from which it may move there; nothing was changed."""


def move(
    row: models.Model,
    *,
    to: str,
    transitions: Mapping[Any, Collection[Any]],
    field: str = "status",
    where: Mapping[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Move the row to another state in one conditional UPDATE, or raise WrongState.

    Two workers and a cancel button may race for the same row: exactly one UPDATE matches.
    """
    sources = [state for state, targets in transitions.items() if to in targets]
    matched = (
        type(row)
        ._default_manager.filter(pk=row.pk, **{f"{field}__in": sources}, **(where or {}))
        .update(**{field: to}, **changes)
    )
    if not matched:
        raise WrongState(f"{row} cannot become {to}.")
    setattr(row, field, to)
    for name, value in changes.items():
        if not hasattr(value, "resolve_expression"):
            setattr(row, name, value)
