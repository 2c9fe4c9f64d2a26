"""`.env.example` names exactly the variables that are read."""

import re
from pathlib import Path

import pytest

from portal.environment import Reader

ROOT = Path(__file__).resolve().parents[3]
READ = re.compile(r'env\.\w+\(\s*"([A-Z_]+)"')
COMPOSE = re.compile(r"\$\{([A-Z_]+)")


def named() -> set[str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {line.partition("=")[0] for line in lines if re.match(r"[A-Z_]+=", line)}


def read() -> set[str]:
    settings = set(READ.findall((ROOT / "portal" / "settings.py").read_text()))
    return settings | set(COMPOSE.findall((ROOT / "docker-compose.yml").read_text()))


def test_every_variable_that_is_read_is_explained_and_no_other() -> None:
    assert named() == read()


def test_every_variable_has_a_comment_above_its_block() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[A-Z_]+=", line):
            assert lines[number - 1] != "", f"{line} stands without a word"


def test_the_example_can_be_used_as_it_is() -> None:
    from portal.bootstrap import port_range

    text = (ROOT / ".env.example").read_text()
    assert port_range(re.search(r"PUBLIC_PORTS=(.+)", text).group(1)) == range(20000, 21000)  # type: ignore[union-attr]


def test_an_empty_variable_counts_as_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader()
    monkeypatch.setenv("LOG_FORMAT", "")
    monkeypatch.setenv("DATABASE_URL", "")
    assert reader.str("LOG_FORMAT", default="json") == "json"
    assert reader.db_url("DATABASE_URL", default="sqlite:///x")["NAME"] == "x"
    assert reader.problems == []
