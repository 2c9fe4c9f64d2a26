"""Field types that take a value as it is or refuse it, and never bend it into shape."""

import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from rest_framework import serializers

DECIMAL = re.compile(r"[0-9]{1,9}", re.ASCII)
YES = {"1", "true", "yes", "on"}
NO = {"0", "false", "no", "off"}


class PlainText(serializers.CharField):
    """Text only: no number is taken for text, and no space is cut off."""

    def __init__(self, **options: Any) -> None:
        if "max_length" not in options:
            raise ImproperlyConfigured("Every text has a longest length.")
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class PlainInteger(serializers.IntegerField):
    """A JSON integer, or plain ASCII digits; not 1.0, 1_0, true, or digits of other scripts."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and DECIMAL.fullmatch(data):
            return int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


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
