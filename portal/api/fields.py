"""Field types that take a value as it is or refuse it, and never bend it into shape."""

import re
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from rest_framework import serializers

DECIMAL = re.compile(r"[0-9]{1,9}", re.ASCII)
YES = {"1", "true", "yes", "on"}
NO = {"0", "false", "no", "off"}


class PlainText(serializers.CharField):
    """Text only: no number is taken for text, and no space is cut off."""

    # In the words that pages and the admin have for it.
    default_error_messages = {
        "max_length": "Ensure this value has at most {max_length} characters (it has %(show_value)d)."
    }

    def __init__(self, *, rule: Callable[[str], object] | None = None, **options: Any) -> None:
        if "max_length" not in options:
            raise ImproperlyConfigured("Every text has a longest length.")
        super().__init__(**{"trim_whitespace": False, **options})
        # Refuses in its own words, before anything is said about length.
        self.rule = rule

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if self.rule is not None:
            self.rule(data)
        return super().to_internal_value(data)


class PlainInteger(serializers.IntegerField):
    """A JSON integer, or plain ASCII digits; not 1.0, 1_0, true, or digits of other scripts."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and DECIMAL.fullmatch(data):
            return int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class RuledInteger(PlainInteger):
    """A number that every surface reads by the same rule; its limits are those of the rule."""

    def __init__(self, *, rule: Callable[[object], int], **options: Any) -> None:
        super().__init__(**options)
        self.rule = rule

    def to_internal_value(self, data: Any) -> int:
        return self.rule(data)


class Flag(serializers.BooleanField):
    """true or false; in a query also 1, 0, yes, no, on, off."""

    def to_internal_value(self, data: Any) -> bool:
        if isinstance(data, bool):
            return data
        if not isinstance(data, str) or data.lower() not in YES | NO:
            self.fail("invalid", input=data)
        return data.lower() in YES


class CappedInteger(PlainInteger):
    """A page size: larger wishes get the largest page."""

    def __init__(self, *, largest: int, **options: Any) -> None:
        self.largest = largest
        super().__init__(min_value=1, **options)

    def to_internal_value(self, data: Any) -> int:
        return min(super().to_internal_value(data), self.largest)
