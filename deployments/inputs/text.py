"""The refusals that all text fields share: wrong type, too long, invisible or foreign characters."""

import unicodedata
from typing import NoReturn

from django.core.exceptions import ValidationError


def refuse(code: str, message: str) -> NoReturn:
    """Refuse the value; the message says what is wrong and what to write instead."""
    raise ValidationError(message, code=code)


def plain(value: object, *, what: str, limit: int) -> str:
    """Return the value when it is visible ASCII text without spaces, not empty and not too long."""
    if not isinstance(value, str):
        refuse("type", f"{what} must be text.")
    if not value:
        refuse("required", f"{what} is empty. Fill it in.")
    if len(value) > limit:
        refuse("too_long", f"{what} has {len(value)} characters; at most {limit} are possible. Shorten it.")
    for position, character in enumerate(value, start=1):
        if not "!" <= character <= "~":
            _refuse_character(what, character, position)
    return value


def _refuse_character(what: str, character: str, position: int) -> NoReturn:
    where = f"at position {position} (U+{ord(character):04X})"
    if character == " ":
        refuse("space", f"{what} contains a space at position {position}. Remove it.")
    if unicodedata.category(character)[0] in "CZ":
        refuse("invisible", f"{what} contains an invisible character {where}. Remove it.")
    refuse(
        "look_alike",
        f"{what} contains a character {where} that is not plain ASCII. Retype it on the keyboard.",
    )
