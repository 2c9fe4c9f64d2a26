"""Masks secrets in text before it is stored or written anywhere."""

import base64
import json
import logging
import re
import shlex
from collections.abc import Iterable
from urllib.parse import quote

MASK = "••••"
MIN_LENGTH = 6
PATTERNS = re.compile(
    r"AKIA[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}"
    r"|glpat-[A-Za-z0-9_-]{16,}"
    r"|portal_[A-Za-z0-9]{12}_[A-Za-z0-9_-]{20,}"
    r"|(?<=://)[^/\s:@]{1,100}:[^/\s@]{1,200}(?=@)"
)
PEM_LINE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)", re.DOTALL
)


class Redactor:
    """Masks the given values in all the forms a tool may print them, and well-known token patterns."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values for form in _forms(value) if len(form) >= MIN_LENGTH}
        # Longest first, so that a value that contains another is masked whole.
        ordered = sorted(forms, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self.longest = max(map(len, forms), default=0)

    def __call__(self, text: str) -> str:
        if self._values is not None:
            text = self._values.sub(MASK, text)
        return PATTERNS.sub(MASK, PEM_LINE.sub(MASK, text))


def _forms(value: str) -> Iterable[str]:
    """The value as is, each of its longer lines, and its encoded and escaped forms."""
    yield value
    yield from (line for line in value.splitlines() if len(line) >= MIN_LENGTH)
    raw = value.encode()
    yield base64.b64encode(raw).decode()
    yield base64.b64encode(raw).decode().rstrip("=")
    yield base64.urlsafe_b64encode(raw).decode()
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")
    yield quote(value, safe="")
    yield quote(value)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield shlex.quote(value)
    yield repr(value)[1:-1]


class LogFilter(logging.Filter):
    """Masks token patterns in everything the portal itself logs."""

    _redact = Redactor()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        masked = self._redact(message)
        if masked != message:
            record.msg, record.args = masked, ()
        return True
