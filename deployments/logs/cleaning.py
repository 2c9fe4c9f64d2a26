"""Makes a line of a program's output harmless to look at: what a terminal would obey is shown or dropped."""

import re

from deployments.logs import ansi

# Everything below needs more than a look: control characters but the tab, and those that change the
# order or the number of lines a reader sees.
SPECIAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
CONTROLS = re.compile("[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f]")
HIDDEN = re.compile("[\x80-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def clean(line: str) -> str:
    """Return the line as its reader should see it: progress at its last state, controls visible."""
    if not SPECIAL.search(line):
        return line
    if "\r" in line:
        line = _last_state(line)
    if "\x1b" in line:
        line = ansi.keep_colours(line)
    if "\b" in line:
        line = _overstrike(line)
    line = CONTROLS.sub(lambda match: _picture(match[0]), line)
    return HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def _last_state(line: str) -> str:
    """A progress bar writes over itself: what stood there last and was not blank."""
    for state in reversed(line.split("\r")):
        if ansi.strip(state).strip():
            return state
    return ""


def _overstrike(line: str) -> str:
    """Let each backspace take back the character before it, as a spinner means it."""
    kept: list[str] = []
    for character in line:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)


def _picture(character: str) -> str:
    return "\u2421" if character == "\x7f" else chr(0x2400 + ord(character))
