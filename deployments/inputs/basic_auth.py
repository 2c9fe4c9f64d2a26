"""A name and a password that the proxy asks for before it lets anybody through."""

import re

from deployments.inputs.text import refuse

USER = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 200


def parse_basic_auth(value: object) -> str:
    """Read `user:password`; empty for none. What was typed is never part of a refusal."""
    if not isinstance(value, str):
        refuse("type", "The sign-in is text: user:password.")
    if not value:
        return ""
    user, colon, password = value.partition(":")
    if not colon or not USER.fullmatch(user):
        refuse(
            "basic_auth",
            "Write user:password. The user may contain letters, digits and . _ @ + -, at most 64 of them.",
        )
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        refuse("basic_auth", f"The password must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    if not all(" " <= character <= "~" for character in password):
        refuse(
            "basic_auth",
            "The password may contain visible ASCII characters and spaces only; browsers differ on others.",
        )
    return value
