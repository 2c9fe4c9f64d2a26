"""The store: numbers without gaps, written under the fence, sealed, limited, read by number."""

import pytest
from django.db import transaction
from django.db.models import F

from deployments import logs
from deployments.logs.reading import Run
from deployments.models import Deployment, LogChunk
from deployments.pipeline.claims import Claim, Stale
from deployments.states import Status
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployment() -> Deployment:
    return factories.deployment_at(Status.RUNNING, lease_owner="me", fence=1)


@pytest.fixture
def claim(deployment: Deployment) -> Claim:
    return Claim(deployment.pk, 1, "me")


def write(claim: Claim, *texts: str, step: int = 1, level: str = "info") -> None:
    with transaction.atomic():
        logs.append(claim, step, [(level, text) for text in texts])


def texts(lines: list[logs.Line]) -> list[str]:
    return [line.text for line in lines]


def fill(claim: Claim, count: int, *, flush: int = 50, step: int = 1) -> list[str]:
    expected = [f"line {number} " + "x" * 80 for number in range(count)]
    for start in range(0, count, flush):
        write(claim, *expected[start : start + flush], step=step)
    return expected


def test_lines_get_numbers_without_gaps_and_keep_step_level_and_time(deployment, claim):
    write(claim, "one", "two")
    write(claim, "$ docker build", step=2, level="command")

    lines = logs.read(deployment)

    assert [(line.number, line.step, line.level, line.text) for line in lines] == [
        (1, 1, "info", "one"),
        (2, 1, "info", "two"),
        (3, 2, "command", "$ docker build"),
    ]
    assert lines[0].at >= deployment.created_at.replace(microsecond=0)


def test_one_flush_is_one_row_and_counts_on_the_deployment(deployment, claim):
    write(claim, "one", "two", "three")

    deployment.refresh_from_db()
    assert LogChunk.objects.count() == 1
    assert deployment.log_count == 3
    assert deployment.log_bytes == len("\nione\nitwo\nithree")


def test_a_stale_worker_writes_nothing(deployment, claim):
    Deployment.objects.update(fence=F("fence") + 1)

    with pytest.raises(Stale):
        write(claim, "late")
    with pytest.raises(Stale):
        logs.seal(claim, 1)

    deployment.refresh_from_db()
    assert (deployment.log_count, LogChunk.objects.count()) == (0, 0)


def test_a_transaction_that_fails_leaves_neither_lines_nor_numbers(deployment, claim):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        logs.append(claim, 1, [("info", "lost")])
        1 / 0  # noqa: B018

    write(claim, "kept")
    assert [(line.number, line.text) for line in logs.read(deployment)] == [(1, "kept")]


def test_whatever_a_caller_says_a_line_is_one_clean_line(deployment, claim):
    write(claim, "a\nb\x00c", "\ud800", "z" * 20_000)

    lines = texts(logs.read(deployment))
    assert lines[:2] == ["a b\u2400c", "?"]
    assert lines[2].endswith("(cut after 16 KiB)")


def test_problems_are_found_by_level(deployment, claim):
    write(claim, "fine", "WARNING: hm", "ERROR: broken", "fine", step=3)
    write(claim, "ERROR: later", step=4)

    assert texts(logs.read(deployment, level="warning")) == ["WARNING: hm", "ERROR: broken", "ERROR: later"]
    assert texts(logs.read(deployment, level="error", after=3)) == ["ERROR: later"]
    assert texts(logs.read(deployment, level="error", limit=1)) == ["ERROR: broken"]
    assert logs.first_error(deployment, step=4).number == 5
    assert logs.first_error(deployment, step=9) is None


@pytest.mark.parametrize("sealed", [False, True])
def test_every_page_of_a_log_is_right(deployment, claim, sealed):
    expected = fill(claim, 330, flush=7)
    if sealed:
        logs.seal(claim, 1)

    read: list[str] = []
    while page := logs.read(deployment, after=len(read), limit=41):
        assert page[0].number == len(read) + 1
        assert len(page) == 41 or len(read) + len(page) == 330
        read += texts(page)
    assert read == expected
    assert texts(logs.tail(deployment, limit=10)) == expected[-10:]
    assert texts(logs.tail(deployment, limit=500)) == expected
    assert logs.read(deployment, after=330) == []


def test_sealing_changes_nothing_a_reader_sees(deployment, claim):
    write(claim, "\x1b[31mred\x1b[0m", "é" * 100, "", "ERROR: x")
    write(claim, "other step", step=2)
    fill(claim, 500)
    before = logs.read(deployment, limit=1000)

    logs.seal(claim, 1)
    logs.seal(claim, 1)

    assert logs.read(deployment, limit=1000) == before
    assert [chunk.sealed for chunk in LogChunk.objects.all()] == [True, False, True]


def test_a_sealed_log_takes_little_room(deployment, claim):
    expected = fill(claim, 5000)
    logs.seal(claim, 1)

    sizes = [len(chunk.body) for chunk in LogChunk.objects.all()]
    assert sum(sizes) < 0.4 * sum(map(len, expected))
    assert max(sizes) < 64 * 1024


def test_a_long_step_is_sealed_while_it_runs(deployment, claim):
    fill(claim, 13_000, flush=500)

    assert LogChunk.objects.filter(sealed=True).exists()
    assert LogChunk.objects.filter(sealed=False).count() < 26


def test_lines_of_steps_that_alternate_are_told_apart(deployment, claim):
    write(claim, "a", "b", step=1)
    write(claim, "c", step=2)
    write(claim, "undone", step=1)
    logs.seal(claim, 1)

    assert logs.outline(deployment) == [Run(1, 1, 2), Run(2, 3, 3), Run(1, 4, 4)]
    assert texts(logs.read(deployment, step=1)) == ["a", "b", "undone"]
    assert texts(logs.read(deployment, step=1, after=2)) == ["undone"]
    assert texts(logs.read(deployment, step=2)) == ["c"]


def test_a_full_log_keeps_head_and_tail_and_says_what_is_missing(deployment, claim, settings):
    settings.LOG_LIMIT_BYTES = 100_000
    expected = fill(claim, 5000, flush=20)

    lines = logs.read(deployment, limit=10_000)
    marks = [place for place, line in enumerate(lines) if "were left out here" in line.text]
    deployment.refresh_from_db()

    assert len(marks) == 1
    (mark,) = marks
    assert deployment.log_count == 5000
    assert deployment.log_bytes <= 100_000
    assert texts(lines[:mark]) == expected[:mark]
    assert texts(lines[mark + 1 :]) == expected[lines[mark].number :]
    assert 15_000 < sum(len(line.text) + 2 for line in lines[:mark]) < 26_000
    assert lines[mark].text.startswith(f"… {lines[mark].number - mark:,} lines")
    assert lines[-1].number == 5000


def test_a_reader_gets_past_the_missing_lines(deployment, claim, settings):
    settings.LOG_LIMIT_BYTES = 100_000
    fill(claim, 3000, flush=20)
    logs.seal(claim, 1)

    after, count = 0, 0
    while page := logs.read(deployment, after=after, limit=50):
        assert all(line.number > after for line in page)
        after, count = page[-1].number, count + len(page)

    assert after == 3000
    assert 500 < count < 1200
    assert len(logs.tail(deployment, limit=5000)) == count


def test_the_whole_log_as_text_has_titles_and_no_colours(deployment, claim):
    write(claim, "\x1b[31mred\x1b[0m & <b>", step=1)
    write(claim, "two", step=2)

    text = "".join(logs.text_lines(deployment)).splitlines()

    assert text[0] == "=== Validate Git URL ==="
    assert text[1].endswith(" red & <b>")
    assert len(text[1]) == len("2026-01-01 00:00:00 red & <b>")
    assert text[2:4] == ["", "=== Check Dockerfile ==="]


def test_a_search_finds_text_behind_colours_and_in_any_case(deployment, claim):
    write(claim, "nothing", "Con\x1b[31mnect\x1b[0mion refused", "STRASSE connection", "x")
    fill(claim, 300)
    logs.seal(claim, 1)

    assert logs.search(deployment, "connection") == [2, 3]
    assert logs.search(deployment, "line 2", limit=3) == [7, 25, 26]
    assert logs.search(deployment, "") == []


def test_pages_cost_a_constant_number_of_queries(deployment, claim, django_assert_num_queries):
    fill(claim, 1500, flush=10)
    for call, queries in [
        (lambda: logs.read(deployment, after=700, limit=500), 1),
        (lambda: logs.read(deployment, after=700, limit=500, step=1), 2),
        (lambda: logs.read(deployment, level="error"), 1),
        (lambda: logs.tail(deployment, limit=500), 2),
        (lambda: logs.outline(deployment), 1),
        (lambda: logs.search(deployment, "line 7"), 1),
    ]:
        with django_assert_num_queries(queries):
            call()


def test_writing_a_flush_costs_two_queries(deployment, claim, django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(2):
        logs.append(claim, 1, [("info", "x")] * 500)
