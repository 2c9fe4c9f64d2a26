"""Looks over shell text: which commands it names. A look ahead only; what runs is the text itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

SEPARATORS = ";&|(){}\n`"
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
# Words that come before a command, not commands themselves.
PREFIXES = {
    "!", "command", "do", "elif", "else", "env", "exec", "if", "nice", "nohup", "sudo", "then", "time", "until", "while",
}  # fmt: skip


def simple_commands(text: str) -> Iterator[list[str]]:
    """The words of each simple command, without assignments, redirections kept as words."""
    for segment in _segments(text):
        words = _words(segment)
        while words and (words[0] in PREFIXES or ASSIGNMENT.match(words[0])):
            words.pop(0)
        if words:
            yield words


def pipes_into_a_shell(text: str) -> bool:
    """Whether something is fetched and run at once: `curl … | sh`."""
    fetch = r"\b(curl|wget)\b[^|;&\n]*\|\s*(sudo\s+)?(\S*/)?(sh|bash|dash|zsh|python3?)\b"
    substitution = r"\b(sh|bash|dash)\s+(-c\s+)?[\"']?(<\(|\$\()\s*(curl|wget)\b"
    return bool(re.search(fetch, text) or re.search(substitution, text))


def _segments(text: str) -> Iterator[str]:
    current, quote, escaped = "", "", False
    for character in text:
        if escaped:
            current, escaped = current + character, False
        elif character == "\\" and quote != "'":
            current, escaped = current + character, True
        elif quote:
            current += character
            quote = "" if character == quote else quote
        elif character in SEPARATORS:
            yield current
            current = ""
        else:
            current += character
            quote = character if character in "'\"" else ""
    yield current


def _words(segment: str) -> list[str]:
    try:
        return shlex.split(segment, comments=True)
    except ValueError:
        return segment.split()
