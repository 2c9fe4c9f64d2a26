"""What a diagnosis is, what it is made from, and how one rule looks for its proof."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

LINE_LENGTH = 600
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Searched in this order; what the failing step itself said is the best proof.
PLACES = ("detail", "container_log", "health_answer", "nginx_errors", "log_tail")

What = Literal[
    "retry",
    "raise_memory",
    "set_port",
    "set_health_path",
    "set_dockerfile",
    "use_branch",
    "open_settings",
    "open_variables",
    "reconcile_group",
    "restart_instance",
    "clean_host",
]


@dataclass(frozen=True)
class Button:
    """What the portal can do about it."""

    label: str
    what: What
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """What happened, what it means, what to do, and the very line that proves it."""

    rule: int
    title: str
    meaning: str
    fix: str
    evidence: str = ""
    button: Button | None = None
    # Something to take over as it stands: a line for a Dockerfile, a statement for a policy.
    snippet: str = ""


@dataclass(frozen=True)
class Case:
    """A failure with all that is known of it."""

    code: str
    detail: str
    evidence: Mapping[str, Any]
    log_tail: str
    facts: Mapping[str, Any]

    def search(self, pattern: str, places: tuple[str, ...] = PLACES) -> re.Match[str] | None:
        """The last line that matches, in the first place that has one."""
        wanted = re.compile(pattern)
        for place in places:
            for line in reversed(self._lines(place)):
                if match := wanted.search(line):
                    return match
        return None

    def words(self) -> dict[str, str]:
        """What sentences may name; what is not known reads as nothing."""
        known = {key: str(value) for key, value in self.facts.items() if value not in (None, "")}
        return defaultdict(str, {"region": "the region chosen", **known})

    @property
    def first_line(self) -> str:
        """The failing step's own words."""
        return next(iter(self._lines("detail")), "")

    @property
    def last_words(self) -> str:
        """The last line that the container wrote."""
        return next(reversed(self._lines("container_log")), "")

    @property
    def listening(self) -> list[tuple[str, int]]:
        """Where the application listens: address and port."""
        return list(self._addresses())

    def _addresses(self) -> Iterator[tuple[str, int]]:
        for text in self.evidence.get("listening") or ():
            address, _, port = str(text).rpartition(":")
            if port.isascii() and port.isdecimal():
                yield address.strip("[]"), int(port)

    def _lines(self, place: str) -> list[str]:
        given = {"detail": self.detail, "log_tail": self.log_tail}
        text = given[place] if place in given else str(self.evidence.get(place) or "")
        lines = ANSI.sub("", text).replace("\r", "\n").splitlines()
        return [line for line in (line.strip() for line in lines) if line]


Look = Callable[[Case], Diagnosis | None]


@dataclass(frozen=True)
class Rule:
    """One row of the table: where it may apply, and how it looks for its proof."""

    number: int
    codes: frozenset[str]
    look: Look


def clipped(line: str) -> str:
    """A line as proof, no longer than can be read."""
    line = line.strip()
    return line if len(line) <= LINE_LENGTH else line[:LINE_LENGTH] + "…"


def saying(
    number: int,
    codes: set[str],
    pattern: str,
    *,
    title: str,
    meaning: str,
    fix: str,
    button: Button | None = None,
    snippet: str = "",
    places: tuple[str, ...] = PLACES,
    alone: bool = False,
    unless: str = "",
) -> Rule:
    """A rule whose proof is a line that matches; `alone` means that the code is proof enough.

    A line that matches `unless` says that it is something else.
    The sentences may name the pattern's groups and the facts in braces.
    """

    def look(case: Case) -> Diagnosis | None:
        match = case.search(pattern, places)
        if (match is None and not alone) or (unless and case.search(unless)):
            return None
        words = case.words()
        if match is not None:
            words.update({name: value for name, value in match.groupdict().items() if value})
        return Diagnosis(
            rule=number,
            title=title.format_map(words),
            meaning=meaning.format_map(words),
            fix=fix.format_map(words),
            evidence=clipped(match.string if match is not None else case.first_line),
            button=_filled(button, words),
            snippet=snippet.format_map(words),
        )

    return Rule(number, frozenset(codes), look)


def _filled(button: Button | None, words: Mapping[str, str]) -> Button | None:
    if button is None:
        return None
    arguments = {
        name: value.format_map(words) if isinstance(value, str) else value
        for name, value in button.arguments.items()
    }
    return Button(button.label.format_map(words), button.what, arguments)
