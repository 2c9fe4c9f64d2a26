"""Turns raw output of a job into clean, masked lines; pure, so that a crash can simply repeat it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deployments.logs.cleaning import SPECIAL, clean
from deployments.logs.lines import cut

# An unfinished line is left where it is, to be read again whole; only one that is longer than this is
# taken early. It is far more than a line may keep, so that a secret at the cut is masked before it.
EARLY_BYTES = 128 * 1024
# A private key that began is masked to its end, also when that comes in a later piece; but if no end
# comes, it was no key.
KEY_LINES_LIMIT = 200
KEY_BEGIN = re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----")
KEY_END = re.compile("-----END [A-Z ]*PRIVATE KEY-----")


@dataclass(frozen=True)
class Taken:
    """What a piece of output held: whole lines, how many bytes they took, and what to remember."""

    lines: list[str]
    consumed: int
    state: dict[str, Any]


def ingest(raw: bytes, state: dict[str, Any], *, final: bool, redact: Callable[[str], str]) -> Taken:
    """Take all whole lines out of `raw`, which begins where the last call stopped.

    `state` is what that call returned, {} at first. With `final` the rest is a line too.
    """
    start = 0
    if state.get("skip"):
        start = raw.find(b"\n") + 1
        if not start:
            return Taken([], len(raw), {} if final else state)
    end = len(raw) if final else max(start, raw.rfind(b"\n") + 1)
    lines = _split(raw[start:end])
    consumed = end
    new_state: dict[str, Any] = {}
    if len(raw) - end >= EARLY_BYTES:
        consumed, early = _take_early(raw, end)
        if early is not None:
            lines.append(early)
            new_state["skip"] = True
    if not lines:
        kept = {"key": state["key"]} if "key" in state else {}
        return Taken([], consumed, {**new_state, **kept})
    masked, key = _mask(_clean(lines), state.get("key", 0), redact)
    if key:
        new_state["key"] = key
    return Taken([cut(line) for line in masked], consumed, new_state)


def _split(body: bytes) -> list[str]:
    lines = body.decode(errors="replace").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _take_early(raw: bytes, end: int) -> tuple[int, str | None]:
    """Take a very long unfinished line now; of a progress bar without end only forget what it wrote over."""
    latest = raw.rfind(b"\r", end, len(raw) - 1)
    if latest >= 0 and len(raw) - latest < EARLY_BYTES:
        return latest, None
    return len(raw), raw[end:].decode(errors="replace")


def _clean(lines: list[str]) -> list[str]:
    if not SPECIAL.search("\n".join(lines)):
        return lines
    return [clean(line) for line in lines]


def _mask(lines: list[str], key_lines: int, redact: Callable[[str], str]) -> tuple[list[str], int]:
    """Mask secrets; returns the lines, and how many lines of a key without an end came last."""
    hidden = 0
    if key_lines:
        end = next((place for place, line in enumerate(lines) if KEY_END.search(line)), None)
        if end is None and key_lines + len(lines) <= KEY_LINES_LIMIT:
            return [], key_lines + len(lines)
        hidden = 0 if end is None else end + 1
    text = "\n".join(lines[hidden:])
    begins = [match.end() for match in KEY_BEGIN.finditer(text)]
    unfinished = text[begins[-1] :] if begins and not KEY_END.search(text, begins[-1]) else None
    masked = redact(text).split("\n") if hidden < len(lines) else []
    return masked, 0 if unfinished is None else unfinished.count("\n") + 1
