"""What `.dockerignore` leaves out of a build, by Docker's rules: the last line that matches decides."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

MAX_RULES = 2000


class Ignore:
    """The rules of one file."""

    def __init__(self, text: str) -> None:
        self.rules = list(_rules(text.splitlines()))[:MAX_RULES]

    def excludes(self, path: str) -> bool:
        """Whether this path, relative to the context, is left out; what lies below a match is too."""
        excluded = False
        for pattern, exclude in self.rules:
            if exclude != excluded and pattern.match(path):
                excluded = exclude
        return excluded

    @property
    def has_exceptions(self) -> bool:
        """Whether a folder that is left out may hold something that is not."""
        return any(not exclude for _, exclude in self.rules)


def glob_pattern(glob: str) -> str:
    """A regular expression for Go's file patterns: `*`, `?`, `[…]`, and `**` for any number of folders."""
    result, at = "", 0
    while at < len(glob):
        character = glob[at]
        if glob.startswith("**/", at):
            result, at = result + "(?:[^/]+/)*", at + 3
        elif glob.startswith("**", at):
            result, at = result + ".*", at + 2
        elif character == "*":
            result, at = result + "[^/]*", at + 1
        elif character == "?":
            result, at = result + "[^/]", at + 1
        elif character == "[" and (end := glob.find("]", at + 2)) > 0:
            inner = glob[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            result, at = result + "[" + ("^" + inner[1:] if inner[0] in "^!" else inner) + "]", end + 1
        elif character == "\\" and at + 1 < len(glob):
            result, at = result + re.escape(glob[at + 1]), at + 2
        else:
            result, at = result + re.escape(character), at + 1
    return result


def _rules(lines: Iterable[str]) -> Iterable[tuple[re.Pattern[str], bool]]:
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        exclude = not line.startswith("!")
        path = posixpath.normpath(line.removeprefix("!").strip().lstrip("/") or ".")
        if path == "." or len(path) > 1000:
            continue
        try:
            yield re.compile(glob_pattern(path) + r"(?:/.*)?\Z", re.DOTALL), exclude
        except re.error:
            continue
