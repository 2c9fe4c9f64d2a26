"""Calls of AWS by the names that policies use, with errors of ours."""

import re
from typing import Any

from django.conf import settings

from instances.clouds.base import INSTALLATION_TAG
from instances.clouds.errors import service_of, translated
from portal.core import aws

_WORDS = re.compile(r"(?<!^)(?=[A-Z])")


class Api:
    """The APIs of one region."""

    def __init__(self, region: str) -> None:
        self.region = region

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call once and return the answer."""
        with translated(action, self.region):
            method = getattr(aws.client(service_of(action), self.region), _method(action))
            answer: dict[str, Any] = method(**parameters)
            return answer

    def pages(self, action: str, rows: str, **parameters: Any) -> list[dict[str, Any]]:
        """All rows of a list, page by page."""
        with translated(action, self.region):
            paginator = aws.client(service_of(action), self.region).get_paginator(_method(action))
            return [row for page in paginator.paginate(**parameters) for row in page[rows]]

    def our_filter(self) -> dict[str, Any]:
        """Limits a list to what this installation made."""
        return {"Name": f"tag:{INSTALLATION_TAG}", "Values": [settings.INSTALLATION]}


def _method(action: str) -> str:
    return _WORDS.sub("_", action).lower()
