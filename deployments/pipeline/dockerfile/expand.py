"""Variables and quotes in the words of a Dockerfile, as Docker's own small shell reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import translate

from deployments.pipeline.dockerfile.model import DockerfileError

# Longer values are only met in files that want to fill our memory: `ENV A=$A$A$A` doubles with each line.
MAX_LENGTH = 1 << 14
MAX_HEREDOC_LENGTH = 1 << 20
MAX_CUT_LENGTH = 1000
MAX_NESTING = 20
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?!$-]")

# A piece of text, and whether spaces in it are literal because they stood in quotes.
Piece = tuple[str, bool]


def expand(text: str, env: Mapping[str, str], *, line: int, escape: str = "\\") -> str:
    """Replace variables, take quotes away."""
    return _join(_Reader(text, env, line, escape).pieces(), line)


def expand_words(text: str, env: Mapping[str, str], *, line: int, escape: str = "\\") -> list[str]:
    """Replace variables, take quotes away, and split at spaces that were not quoted."""
    words: list[str] = []
    inside = False
    length = 0
    for piece, literal in _Reader(text, env, line, escape).pieces():
        length = _check_length(length + len(piece), line)
        for part in [piece] if literal else re.split(r"(\s+)", piece):
            if not literal and (not part or part.isspace()):
                inside = inside and not part
            elif inside:
                words[-1] += part
            else:
                words.append(part)
                inside = True
    return words


def expand_heredoc(text: str, env: Mapping[str, str], *, line: int, escape: str = "\\") -> str:
    """Replace variables in a heredoc, where quotes mean nothing."""
    return _join(_Reader(text, env, line, escape, quotes=False).pieces(), line, MAX_HEREDOC_LENGTH)


def split_words(text: str, *, escape: str = "\\") -> list[str]:
    """Split at unquoted spaces; quotes and variables stay as they are."""
    words, current, quote = [], "", ""
    characters = iter(text)
    for character in characters:
        if character == escape and quote != "'":
            current += character + next(characters, "")
        elif quote:
            current += character
            quote = "" if character == quote else quote
        elif character.isspace():
            words += [current] if current else []
            current = ""
        else:
            current += character
            quote = character if character in "'\"" else ""
    return words + ([current] if current else [])


def _join(pieces: Iterator[Piece], line: int, limit: int = MAX_LENGTH) -> str:
    parts, length = [], 0
    for piece, _ in pieces:
        length = _check_length(length + len(piece), line, limit)
        parts.append(piece)
    return "".join(parts)


def _check_length(length: int, line: int, limit: int = MAX_LENGTH) -> int:
    if length > limit:
        raise DockerfileError(line, f"a value is longer than {limit} characters once expanded")
    return length


class _Reader:
    """Walks once over a text; every method leaves the position behind what it has read."""

    def __init__(
        self,
        text: str,
        env: Mapping[str, str],
        line: int,
        escape: str,
        *,
        quotes: bool = True,
        depth: int = 0,
    ) -> None:
        if depth > MAX_NESTING:
            raise DockerfileError(line, "variables are nested too deeply")
        self.text = text
        self.env = env
        self.line = line
        self.escape = escape
        self.quotes = quotes
        self.depth = depth
        self.at = 0

    def pieces(self) -> Iterator[Piece]:
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "'" and self.quotes:
                yield self._single_quoted(), True
            elif character == '"' and self.quotes:
                yield "", True
                yield from self._double_quoted()
            elif character == "$":
                yield self._variable(), False
            elif character == self.escape:
                yield self._escaped(), True
            else:
                yield self._plain(), False

    def _plain(self) -> str:
        stops = "$" + self.escape + ("'\"" if self.quotes else "")
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in stops:
            self.at += 1
        return self.text[start : self.at]

    def _escaped(self) -> str:
        following = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        if not self.quotes and following not in ("$", self.escape):
            return self.escape + following
        return following

    def _single_quoted(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise DockerfileError(self.line, "a single quote is never closed")
        start, self.at = self.at + 1, end + 1
        return self.text[start:end]

    def _double_quoted(self) -> Iterator[Piece]:
        self.at += 1
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return
            if character == "$":
                yield self._variable(), True
            elif character == self.escape:
                following = self.text[self.at + 1 : self.at + 2]
                kept = "" if following in ('"', "$", self.escape) else self.escape
                yield kept + following, True
                self.at += 2
            else:
                yield character, True
                self.at += 1
        raise DockerfileError(self.line, "a double quote is never closed")

    def _variable(self) -> str:
        self.at += 1
        if self.text[self.at : self.at + 1] == "{":
            return self._braced()
        found = NAME.match(self.text, self.at)
        if not found:
            return "$"
        self.at = found.end()
        return self.env.get(found.group(), "")

    def _braced(self) -> str:
        end = self._closing_brace()
        body, self.at = self.text[self.at + 1 : end], end + 1
        found = NAME.match(body)
        if not found:
            raise DockerfileError(self.line, f"${{{body[:80]}}} names no variable")
        return self._modified(found.group(), body[found.end() :])

    def _closing_brace(self) -> int:
        depth, at = 0, self.at
        while at < len(self.text):
            character = self.text[at]
            if character == self.escape:
                at += 1
            elif character == "{" and self.text[at - 1] == "$":
                depth += 1
            elif character == "}":
                depth -= 1
                if depth == 0:
                    return at
            at += 1
        raise DockerfileError(self.line, "${ is never closed with }")

    def _modified(self, name: str, modifier: str) -> str:
        value = self.env.get(name)
        if not modifier:
            return value or ""
        if modifier[0] in "#%/":
            return self._cut(value or "", modifier)
        colon = modifier.startswith(":")
        sign, word = modifier[colon : colon + 1], modifier[colon + 1 :]
        is_set = value is not None and not (colon and value == "")
        if sign == "-":
            return (value or "") if is_set else self._inner(word)
        if sign == "+":
            return self._inner(word) if is_set else ""
        if sign == "?":
            if is_set:
                return value or ""
            raise DockerfileError(self.line, f"{name}: {self._inner(word) or 'is not set'}")
        raise DockerfileError(self.line, f"the modifier {modifier[:20]!r} of ${{{name}}} is not known")

    def _inner(self, text: str) -> str:
        reader = _Reader(text, self.env, self.line, self.escape, quotes=self.quotes, depth=self.depth + 1)
        return _join(reader.pieces(), self.line)

    def _cut(self, value: str, modifier: str) -> str:
        """`#` and `%` take a pattern off the front or the end; `/` replaces a text."""
        greedy = modifier[:2] in ("##", "%%", "//")
        body = modifier[2:] if greedy else modifier[1:]
        if modifier[0] == "/":
            old, _, new = body.partition("/")
            return value.replace(self._inner(old), self._inner(new), -1 if greedy else 1) if old else value
        if len(value) > MAX_CUT_LENGTH:
            raise DockerfileError(self.line, f"only values of up to {MAX_CUT_LENGTH} characters can be cut")
        matches = re.compile(translate(self._inner(body))).match
        from_front = modifier[0] == "#"
        # Greedy takes the longest match: from the front that is the last cut, from the end the first.
        cuts = range(len(value) + 1)
        for cut in reversed(cuts) if greedy == from_front else cuts:
            if matches(value[:cut] if from_front else value[cut:]):
                return value[cut:] if from_front else value[:cut]
        return value
