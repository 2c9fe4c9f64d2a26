"""The mark of a plan: by it a later start can tell whether everything is still as it was shown."""

import hashlib
import json
import re
from typing import Any

# In this order; the words are said to people.
PARTS = {
    "commit": "the commit",
    "image": "the image",
    "instance": "the instance",
    "environment": "the environment",
    "variables": "the variables",
    "settings": "the settings",
    "live": "what is live",
}
SHORT = 8
GOOD = re.compile(rf"[0-9a-f]{{64}}(-[0-9a-f]{{{SHORT}}}){{{len(PARTS)}}}")


def mark(state: dict[str, Any]) -> str:
    """The SHA-256 of what matters, and a few digits of each part, to name the one that changed."""
    shorts = [_digest(state[name])[:SHORT] for name in PARTS]
    return "-".join([_digest(state), *shorts])


def is_mark(text: str) -> bool:
    """Whether a plan can have this mark."""
    return GOOD.fullmatch(text) is not None


def changed(before: str, now: str) -> list[str]:
    """What is no longer as it was, in words; empty when the marks are equal."""
    if before == now:
        return []
    pairs = zip(PARTS.values(), before.split("-")[1:], now.split("-")[1:], strict=True)
    return [words for words, then, since in pairs if then != since] or ["the plan"]


def has_commit(mark: str, commit: str) -> bool:
    """Whether the plan was made for this commit."""
    return mark.split("-")[1] == _digest(commit)[:SHORT]


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
