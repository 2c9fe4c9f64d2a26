"""Fields that the admin reads by the same rules as every other surface."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from deployments.actions.fields import PARSERS


def clean_by_rules(form: forms.BaseForm, cleaned: dict[str, Any] | None) -> dict[str, Any]:
    """Read each field by its rule, so that a refusal stands beside it."""
    values = dict(form.cleaned_data if cleaned is None else cleaned)
    for name in PARSERS.keys() & values.keys() & set(form.changed_data):
        empty: Any = [] if name == "hostnames" else "" if isinstance(values[name], str) else {}
        try:
            values[name] = PARSERS[name](empty if values[name] is None else values[name])
        except ValidationError as error:
            form.add_error(name, error.messages)
    return values
