"""Output of jobs becomes clean, masked, limited lines, whatever it holds and however it is cut."""

import json
import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.logs import ansi, ingest
from deployments.logs.lines import CUT_MARK, LINE_LIMIT_BYTES, level_of
from portal.core.redact import MASK, Redactor

PIECE = 256 * 1024


def same(text: str) -> str:
    return text


def take(raw: bytes, *, piece: int = PIECE, redact: Callable[[str], str] = same) -> list[str]:
    """Read a whole output as the engine does: from the consumed offset, the state through JSON."""
    lines: list[str] = []
    state: dict = {}
    offset, seen = 0, piece
    while True:
        part = raw[offset : offset + piece]
        final = offset + len(part) >= len(raw) and seen >= len(raw)
        seen = min(len(raw), offset + piece)
        taken = ingest(part, state, final=final, redact=redact)
        lines += taken.lines
        state = json.loads(json.dumps(taken.state))
        if final:
            assert taken.consumed == len(part)
            return lines
        offset += taken.consumed


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\n\ntwo", ["one", "", "two"]),
        (b"windows\r\nlines\r\n", ["windows", "lines"]),
        ("plain café – 日本語 🚀\n".encode(), ["plain café – 日本語 🚀"]),
        (b"progress 10%\rprogress 100%\n", ["progress 100%"]),
        (b"progress 10%\rprogress 100%\r\x1b[K\n", ["progress 100%"]),
        (b"\x1b[31mred\x1b[0m \x1b[2K\rprogress 10%\rprogress 100%\n", ["progress 100%"]),
        (b"invalid: \xff\xfe\xc3\x28 \xf0\x9f\n", ["invalid: \ufffd\ufffd\ufffd( \ufffd"]),
        (b"nul:\x00 bell:\x07 c1:\x9b31m\n", ["nul:\u2400 bell:\u2407 c1:\ufffd31m"]),
        (b"spin |\x08/\x08-\x08done\n", ["spin done"]),
        (b"\x1b]0;title\x07\x1b]8;;http://e.invalid\x07link\x1b]8;;\x07\n", ["link"]),
        ("\u202eleft\u202c \u2028line\n".encode(), ["\\u202eleft\\u202c \\u2028line"]),
        (b"a\x0bb\x0cc\x85d\n", ["a\u240bb\u240cc\ufffdd"]),
        (b"{{ 7*7 }} {% debug %} <img src=x onerror=alert(1)>\n",
         ["{{ 7*7 }} {% debug %} <img src=x onerror=alert(1)>"]),
    ],
)  # fmt: skip
def test_what_a_line_becomes(raw, lines):
    assert take(raw) == lines


def test_an_unfinished_line_waits_for_its_end():
    taken = ingest(b"one\ntw", {}, final=False, redact=same)

    assert (taken.lines, taken.consumed, taken.state) == (["one"], 4, {})
    assert ingest(b"two", {}, final=True, redact=same).lines == ["two"]


@given(st.binary(max_size=400), st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_it_does_not_matter_how_output_is_cut_into_pieces(raw, piece):
    # Pieces grow until they hold a whole line, as the host's answers do.
    lines: list[str] = []
    offset, size, state = 0, piece, {}
    while True:
        final = offset + size >= len(raw)
        taken = ingest(raw[offset : offset + size], state, final=final, redact=same)
        lines += taken.lines
        offset, state = offset + taken.consumed, taken.state
        size = piece if taken.consumed else size + piece
        if final:
            break

    assert lines == ingest(raw, {}, final=True, redact=same).lines


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_a_line_holds_nothing_that_acts(raw):
    for line in ingest(raw, {}, final=True, redact=same).lines:
        assert all(character >= " " or character == "\t" for character in ansi.strip(line))
        assert not set(line) & set("\u202e\u2066\u2028\x7f\x9b")


def test_a_long_line_is_cut_with_a_mark_and_the_next_one_is_whole():
    lines = take(b"a" * 200_000 + b"\nnext\n")

    assert lines == ["a" * LINE_LIMIT_BYTES + CUT_MARK, "next"]


def test_a_line_of_10_mb_is_one_line():
    lines = take(b"first\n" + b"x" * 10_000_000 + b"\nlast\n")

    assert [line[:6] for line in lines] == ["first", "xxxxxx", "last"]
    assert len(lines[1]) == LINE_LIMIT_BYTES + len(CUT_MARK)


def test_a_cut_never_halves_a_character_or_an_escape():
    (line,) = take("é".encode() * 100_000 + b"\n")
    assert line == "é" * (LINE_LIMIT_BYTES // 2) + CUT_MARK

    (line,) = take(b"a" * (LINE_LIMIT_BYTES - 2) + b"\x1b[31mred" + b"b" * 10 + b"\n")
    assert line == "a" * (LINE_LIMIT_BYTES - 2) + CUT_MARK


def test_a_progress_bar_of_many_megabytes_ends_as_its_last_state():
    bar = b"".join(b"\rdownloading %d%%" % (number % 100) for number in range(150_000))

    assert take(b"begin\n" + bar + b"\rdone\nend\n") == ["begin", "done", "end"]


def test_output_with_no_line_end_for_ever_moves_on():
    taken = ingest(b"y" * PIECE, {}, final=False, redact=same)

    assert (len(taken.lines), taken.consumed) == (1, PIECE)
    assert ingest(b"y" * PIECE, taken.state, final=False, redact=same).lines == []


SECRET = "p@ss w0rd/with+signs=" * 4


@pytest.mark.parametrize("place", [0, 100, LINE_LIMIT_BYTES - 40, LINE_LIMIT_BYTES - 1, LINE_LIMIT_BYTES])
def test_no_part_of_a_secret_survives_the_cut(place):
    text = "".join(take(b"." * place + SECRET.encode() + b"\n", redact=Redactor([SECRET])))

    assert MASK in text or place >= LINE_LIMIT_BYTES - 20
    assert not any(SECRET[start : start + 8] in text for start in range(len(SECRET) - 8))


def test_no_part_of_a_secret_survives_the_border_of_two_pieces():
    # Lines of random length, the secret in many of them, and pieces of a size that fits nothing.
    generator = random.Random(7)
    raw = b"".join(b"-" * generator.randrange(200) + SECRET.encode() + b"\n" for _ in range(3000))

    text = "\n".join(take(raw, piece=4099, redact=Redactor([SECRET])))

    assert text.count(MASK) == 3000
    assert SECRET[:8] not in text


@pytest.mark.parametrize("piece", [PIECE, 300])
def test_a_private_key_is_masked_to_its_end_across_pieces(piece):
    body = [f"k{number:02}".ljust(60, "A") for number in range(30)]
    key = "\n".join(["-----BEGIN OPENSSH PRIVATE KEY-----", *body, "-----END OPENSSH PRIVATE KEY-----"])

    lines = take(f"before\n{key}\nafter\n".encode(), piece=piece, redact=Redactor())

    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert not [line for line in lines if "AAAA" in line]


def test_a_key_that_never_ends_does_not_hide_the_log_for_ever():
    raw = b"-----BEGIN PRIVATE KEY-----\n" + b"".join(b"line %d\n" % number for number in range(2000))

    assert take(raw, piece=1000, redact=Redactor())[-1] == "line 1999"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("ERROR: failed to solve", "error"),
        ("Traceback (most recent call last):", "error"),
        ("ModuleNotFoundError: No module named 'x'", "error"),
        ("npm ERR! code E404", "error"),
        ("#8 0.512 ERROR: Could not find a version", "error"),
        ("2026-11-21 09:00:00,123 ERROR app: broken", "error"),
        ("[ERROR] broken", "error"),
        ("\x1b[31mfatal:\x1b[0m not a git repository", "error"),
        ("E: Unable to locate package", "error"),
        ("npm WARN deprecated x", "warning"),
        ("WARNING: Running pip as root", "warning"),
        ("/x.py:3: DeprecationWarning: old", "info"),
        ("  DeprecationWarning: old", "warning"),
        ("0 errors, 3 warnings", "info"),
        ("error_handler loaded", "info"),
        ("Installing errorlib", "info"),
        ("", "info"),
    ],
)
def test_the_level_is_told_from_how_a_line_begins(text, level):
    assert level_of(text) == level


def test_hostile_lines_do_not_slow_the_level_rule_down():
    began = time.monotonic()
    for text in ("-" * 16000, "a." * 8000, "error" * 3000, " " * 16000, "1:" * 8000, "w" * 16000):
        level_of(text)
    assert time.monotonic() - began < 1
