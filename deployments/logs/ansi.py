"""Terminal escapes in log text: sixteen colours and four styles are kept, everything else is dropped.

Log text is hostile. It becomes HTML in `to_html` only, which escapes it and adds nothing but spans with
classes from the list here; the page's script makes text nodes of the same parts.
"""

import re
from collections.abc import Iterator
from html import escape

from django.utils.safestring import SafeString, mark_safe

ESCAPE = re.compile(
    r"\x1b(?:"
    r"\[(?P<codes>[0-9;:]{0,64})m"  # colours and styles
    r"|\[[0-?]{0,64}[ -/]{0,8}[@-~]"  # cursor movement, erasing
    r"|\][^\x07\x1b]{0,8192}(?:\x07|\x1b\\)"  # titles, hyperlinks
    r"|[PX^_][^\x1b]{0,8192}\x1b\\"  # device strings
    r"|[ -/]{1,8}[0-~]"  # character sets
    r"|[0-Z\\\]^_`a-~]"  # two-character escapes; an unfinished string loses only its beginning
    r"|\[?"
    r")"
)
UNFINISHED = re.compile(r"\x1b[^m]{0,64}$")
STYLES = {"1": "bold", "2": "dim", "3": "italic", "4": "underline"}
ENDS = {"22": ("bold", "dim"), "23": ("italic",), "24": ("underline",)}
COLOURS = {
    **{str(30 + i): f"fg-{i}" for i in range(8)},
    **{str(90 + i): f"fg-{i + 8}" for i in range(8)},
    **{str(40 + i): f"bg-{i}" for i in range(8)},
    **{str(100 + i): f"bg-{i + 8}" for i in range(8)},
}


def parts(text: str) -> list[tuple[str, str]]:
    """Split a line into (classes, text); classes are names from this file, separated by spaces."""
    if "\x1b" not in text:
        return [("", text)] if text else []
    return [part for part in _parts(text) if part[1]]


def strip(text: str) -> str:
    """The text without any escape."""
    return ESCAPE.sub("", text) if "\x1b" in text else text


def keep_colours(text: str) -> str:
    """The text with the escapes for colours and styles, without all others."""
    return ESCAPE.sub(lambda match: match[0] if match["codes"] is not None else "", text)


def without_broken_end(text: str) -> str:
    """The text without an escape that was cut in the middle."""
    return UNFINISHED.sub("", text)


def to_html(text: str) -> SafeString:
    """The line as HTML: escaped text, and spans whose classes stand for colours."""
    html = "".join(
        f'<span class="{classes}">{escape(piece)}</span>' if classes else escape(piece)
        for classes, piece in parts(text)
    )
    return mark_safe(html)  # noqa: S308 - every piece is escaped just above


def _parts(text: str) -> Iterator[tuple[str, str]]:
    state: dict[str, str] = {}
    start = 0
    for match in ESCAPE.finditer(text):
        yield " ".join(state.values()), text[start : match.start()]
        start = match.end()
        if match["codes"] is not None:
            _apply(match["codes"], state)
    yield " ".join(state.values()), text[start:]


def _apply(codes: str, state: dict[str, str]) -> None:
    """Change the state by one escape; what is not known changes nothing."""
    # A colon separates the parts of one code, such as 38:5:1.
    numbers = [number.lstrip("0") or "0" for number in re.split("[;:]", codes)]
    place = 0
    while place < len(numbers):
        number = numbers[place]
        if number in ("38", "48"):
            place += _apply_extended(number, numbers[place + 1 :], state)
        else:
            _apply_one(number, state)
        place += 1


def _apply_one(number: str, state: dict[str, str]) -> None:
    if number == "0":
        state.clear()
    elif number in STYLES:
        state[STYLES[number]] = STYLES[number]
    elif number in COLOURS:
        state[COLOURS[number][:2]] = COLOURS[number]
    elif number in ("39", "49"):
        state.pop("fg" if number == "39" else "bg", None)
    else:
        for name in ENDS.get(number, ()):
            state.pop(name, None)


def _apply_extended(number: str, rest: list[str], state: dict[str, str]) -> int:
    """One of 256 colours, or a true colour: the first sixteen are ours, the others are left out."""
    kind = "fg" if number == "38" else "bg"
    if rest[:1] == ["2"]:
        return 4
    if rest[:1] != ["5"] or len(rest) < 2:
        return 0
    if rest[1].isdecimal() and int(rest[1]) < 16:
        state[kind] = f"{kind}-{int(rest[1])}"
    return 2
