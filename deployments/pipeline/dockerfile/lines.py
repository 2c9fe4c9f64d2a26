"""From text to logical lines: comments, continuations, parser directives, heredocs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.pipeline.dockerfile.expand import split_words
from deployments.pipeline.dockerfile.model import DockerfileError, Heredoc

DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$")
HEREDOC = re.compile(r"\d*<<(-?)([^<]+)$")
HEREDOC_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*$")
WITH_HEREDOC = ("RUN", "COPY", "ADD")


@dataclass(frozen=True)
class LogicalLine:
    """An instruction with its continuations joined, and the heredocs that follow it."""

    text: str
    number: int
    heredocs: tuple[Heredoc, ...]


def read_directives(lines: list[str]) -> dict[str, str]:
    """The `# name=value` lines at the very top; the first line of another kind ends them."""
    directives: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        found = DIRECTIVE.match(line.strip())
        name = found.group(1).lower() if found else ""
        if not found or name not in ("escape", "syntax", "check"):
            break
        if name in directives:
            raise DockerfileError(number, f"the directive {name} stands twice")
        directives[name] = found.group(2)
    if directives.get("escape", "\\") not in ("\\", "`"):
        raise DockerfileError(1, "the escape directive must be \\ or `")
    return directives


def read_lines(lines: list[str], *, escape: str) -> Iterator[LogicalLine]:
    """Join continued lines, drop comments between them, take heredocs along."""
    mark = re.escape(escape)
    continued = re.compile(rf"(?:^|(?<!{mark})){mark}[ \t]*$")
    at = 0
    while at < len(lines):
        number = at + 1
        text = lines[at].strip() if _is_comment_or_empty(lines[at]) else lines[at].lstrip()
        at += 1
        if not text or text.startswith("#"):
            continue
        parts = []
        while found := continued.search(text):
            parts.append(text[: found.start()])
            at = _skip_comments(lines, at)
            if at >= len(lines):
                text = ""
                break
            text = lines[at]
            at += 1
        logical = "".join([*parts, text]).strip()
        heredocs, at = _read_heredocs(logical, lines, at, number, escape)
        if logical:
            yield LogicalLine(logical, number, heredocs)


def _is_comment_or_empty(line: str) -> bool:
    stripped = line.strip()
    return not stripped or stripped.startswith("#")


def _skip_comments(lines: list[str], at: int) -> int:
    while at < len(lines) and _is_comment_or_empty(lines[at]):
        at += 1
    return at


def _read_heredocs(
    logical: str, lines: list[str], at: int, number: int, escape: str
) -> tuple[tuple[Heredoc, ...], int]:
    keyword, _, rest = logical.partition(" ")
    if keyword.upper() == "ONBUILD":
        keyword, _, rest = rest.strip().partition(" ")
    if keyword.upper() not in WITH_HEREDOC or "<<" not in rest:
        return (), at
    heredocs = []
    for word in split_words(rest, escape=escape):
        if start := _heredoc_start(word):
            name, expand, chomp = start
            content, at = _heredoc_content(lines, at, name, chomp, number)
            heredocs.append(Heredoc(name, content, expand, chomp))
    return tuple(heredocs), at


def _heredoc_start(word: str) -> tuple[str, bool, bool] | None:
    found = HEREDOC.match(word)
    if not found:
        return None
    raw = found.group(2)
    name = raw.strip("'\"")
    quoted = raw[0] in "'\"" and raw[-1] == raw[0] and len(raw) > 2
    if not HEREDOC_NAME.match(name) or (not quoted and name != raw):
        return None
    return name, not quoted, bool(found.group(1))


def _heredoc_content(lines: list[str], at: int, name: str, chomp: bool, number: int) -> tuple[str, int]:
    content: list[str] = []
    while at < len(lines):
        line = lines[at].lstrip("\t") if chomp else lines[at]
        at += 1
        if line == name:
            return "".join(f"{each}\n" for each in content), at
        content.append(line)
    raise DockerfileError(number, f"the heredoc {name} is never ended")
