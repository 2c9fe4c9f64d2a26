"""How actions of instances take fields: known ones only, refused by name when they are wrong."""

from typing import Any

from django.core.exceptions import ValidationError

from instances.models import Instance
from portal.core.errors import Invalid


def refuse_unknown(fields: dict[str, Any], known: set[str]) -> None:
    unknown = set(fields) - known
    if unknown:
        raise Invalid(dict.fromkeys(sorted(unknown), "There is no such field."))


def validate_row(instance: Instance) -> None:
    """What the model itself says, named by field."""
    try:
        instance.full_clean()
    except ValidationError as error:
        raise Invalid(error.message_dict) from None


def named(field: str, error: ValidationError) -> Invalid:
    """A refusal of one value, under the name of its field."""
    return Invalid({field: error.messages})


def changes(before: dict[str, Any], instance: Instance) -> dict[str, list[str]]:
    """Old and new values, for the audit."""
    return {
        name: [str(old), str(getattr(instance, name))]
        for name, old in before.items()
        if old != getattr(instance, name)
    }
