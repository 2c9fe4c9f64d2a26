"""Terminal escapes in log text: inert HTML, nothing lost that a reader would read."""

import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.logs import ansi

TAG = re.compile(r'</span>|<span class="[a-z0-9 -]+">')
PIECES = st.sampled_from(
    [
        "\x1b",
        "\x1b[",
        "\x1b]",
        "m",
        "31",
        ";",
        "38;5;",
        "8;;javascript:alert(1)\x07",
        "\x1b\\",
        "<b>",
        "&lt;",
        "x",
    ]
)
texts = st.one_of(st.text(), st.lists(PIECES).map("".join))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m end", '<span class="fg-1">red</span> end'),
        ("\x1b[1;32mok\x1b[22m thin", '<span class="bold fg-2">ok</span><span class="fg-2"> thin</span>'),
        ("\x1b[94;41mx", '<span class="fg-12 bg-1">x</span>'),
        ("\x1b[2m\x1b[3m\x1b[4mx\x1b[mend", '<span class="dim italic underline">x</span>end'),
        ("\x1b[38;5;9mx\x1b[39my", '<span class="fg-9">x</span>y'),
        ("\x1b[38;5;200mx", "x"),
        ("\x1b[38;2;1;31;4mx", "x"),
        ("\x1b[01;31m\x1b[Kx", '<span class="bold fg-1">x</span>'),
        ("\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07", "link"),
        ("\x1b]8;;http://e.invalid\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b[2K\x1b[1A\x1b[?25lx\x1b(B", "x"),
        ("a\x1b", "a"),
        ("\x1b[31", "31"),
        ("<script>alert('1')</script>", "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;"),
        ('\x1b[31m" onclick="x', '<span class="fg-1">&quot; onclick=&quot;x</span>'),
        ("\x1b[" + "1;" * 500 + "mx", "1;" * 500 + "mx"),
    ],
)
def test_escapes_become_classes_or_nothing(text, html):
    assert ansi.to_html(text) == html


@given(texts)
@settings(max_examples=300, deadline=None)
def test_no_input_makes_a_tag_and_all_text_is_kept(text):
    html = ansi.to_html(text)

    bare = TAG.sub("", html)
    assert "<" not in bare
    assert '"' not in bare
    assert unescape(bare) == ansi.strip(text)


@given(st.text(alphabet=st.characters(exclude_characters="\x1b")))
def test_text_without_escapes_stays_as_it_is(text):
    assert ansi.strip(text) == text
    assert ansi.parts(text) == ([("", text)] if text else [])


@given(texts)
def test_what_is_kept_in_the_store_looks_the_same(text):
    assert ansi.to_html(ansi.keep_colours(text)) == ansi.to_html(text)
    assert "\x1b" not in ansi.strip(text)


def test_many_unfinished_escapes_take_no_long_time():
    for text in ("\x1b]" * 100_000, "\x1b[" * 100_000, "\x1b[1;" * 50_000, "\x1bP" * 100_000):
        ansi.to_html(text)
