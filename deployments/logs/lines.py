"""One line of a log, its levels, and how a level is told from the text."""

import re
from datetime import datetime
from typing import NamedTuple

from deployments.logs import ansi

LINE_LIMIT_BYTES = 16 * 1024
CUT_MARK = " … (cut after 16 KiB)"

INFO, COMMAND, WARNING, ERROR = "info", "command", "warning", "error"
LEVELS = (INFO, COMMAND, WARNING, ERROR)


class Line(NamedTuple):
    """A stored line. Numbers count from 1 without gaps; where lines were dropped, one line says so."""

    number: int
    step: int
    at: datetime
    level: str
    text: str


# What tools put before the word: times, step numbers of a build, brackets.
BEFORE = re.compile(r"(?:[\s\[\](){}#|>*=+-]|\d[\dTZ:.,/+-]*)*")
SPOKEN = re.compile(
    r"(?P<error>(?:error|err|fatal|critical|panic|npm err|traceback \(most recent|segmentation fault|killed)\b"
    r"|e: |exec format error)"
    r"|(?P<warning>(?:warn|warning|npm warn|deprecated)\b|w: )"
)
# As Python names them: ModuleNotFoundError: ….
NAMED = re.compile(r"[a-z_.]{1,80}(?:(?P<error>error|exception)|(?P<warning>warning)):")
BEFORE_LENGTH, WORD_LENGTH = 64, 100


def level_of(text: str) -> str:
    """Tell the level of a line of output from how it begins; most lines are just information."""
    if "\x1b" in text:
        text = ansi.strip(text)
    before = BEFORE.match(text, 0, BEFORE_LENGTH)
    start = before.end() if before else 0
    beginning = text[start : start + WORD_LENGTH].lower()
    match = SPOKEN.match(beginning)
    # Most lines are spared the slower rule by a plain search.
    if not match and ("error:" in beginning or "exception:" in beginning or "warning:" in beginning):
        match = NAMED.match(beginning)
    return (match.lastgroup or INFO) if match else INFO


def cut(text: str) -> str:
    """Shorten a line that is too long, with a mark that says so."""
    # A character takes at most four bytes, so most lines need no encoding to know that they fit.
    if len(text) * 4 <= LINE_LIMIT_BYTES:
        return text
    raw = text.encode(errors="replace")
    if len(raw) <= LINE_LIMIT_BYTES:
        return text
    kept = raw[:LINE_LIMIT_BYTES].decode(errors="ignore")
    return ansi.without_broken_end(kept) + CUT_MARK
