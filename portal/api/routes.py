"""How addresses of the API are written: `deployments/<identifier>/logs`, with or without a last slash."""

import re
from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, re_path

# What can be an id or a name; other text cannot reach a view.
IDENTIFIER = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"


def route(address: str, view: Callable[..., Any], name: str) -> URLPattern:
    """One address. Optional slash, so that there is one implementation and no redirect of a POST."""
    parts = re.split(r"<(\w+)>", address)
    pattern = "".join(
        f"(?P<{part}>{IDENTIFIER})" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    return re_path(rf"^{pattern}/?\Z", view, name=name)
