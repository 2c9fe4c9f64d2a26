"""The small parts of pages: icons, times, durations, vendored files."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.states import HEALTH_LOOKS, LOOKS, STEP_LOOKS, Health, Status, StepStatus
from instances.states import LOOKS as INSTANCE_LOOKS
from portal.context import NAVIGATION
from portal.core.models import Team
from portal.core.pages import page_by_id
from portal.templatetags import portal as tags

ROOT = Path(__file__).resolve().parents[3]
SPRITE = (ROOT / "static/icons/sprite.svg").read_text()
ICONS = set(re.findall(r'<symbol id="([^"]+)"', SPRITE))
TONES = {"good", "bad", "warn", "info", "muted"}
EVERY_LOOK = [*LOOKS.values(), *STEP_LOOKS.values(), *HEALTH_LOOKS.values(), *INSTANCE_LOOKS.values()]


def test_every_state_has_a_look_whose_icon_and_tone_exist() -> None:
    assert set(LOOKS) == set(Status)
    assert set(STEP_LOOKS) == set(StepStatus)
    assert set(HEALTH_LOOKS) == set(Health)
    assert {look.icon for look in EVERY_LOOK} <= ICONS
    assert {look.tone for look in EVERY_LOOK} <= TONES


def test_every_icon_of_a_page_is_in_the_sprite() -> None:
    templates = "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))
    named = set(re.findall(r'{% icon "([\w-]+)"', templates))
    named |= {icon for _, links in NAVIGATION for _, icon, _, _ in links}

    assert named <= ICONS


def test_no_template_holds_styles_handlers_or_scripts_of_its_own() -> None:
    for path in (ROOT / "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(
            r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:|https?://[^ \"<]*\.(js|css)", text
        ), path


def test_vendored_files_are_what_the_list_says() -> None:
    listed = re.findall(
        r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", (ROOT / "static/vendor/VENDOR.md").read_text(), re.M
    )

    assert len(listed) == 2
    for name, digest in listed:
        assert hashlib.sha256((ROOT / "static/vendor" / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m 00s"),
        (102, "1m 42s"),
        (3600, "1h 00m"),
        (7380, "2h 03m"),
        (-5, "0s"),
    ],
)
def test_durations_have_one_form(seconds: float | None, text: str) -> None:
    assert tags.duration(seconds) == text


def test_a_moment_is_absolute_until_a_script_makes_it_relative() -> None:
    html = tags.when(datetime(2026, 11, 21, 9, 5, 7, tzinfo=UTC))

    assert 'datetime="2026-11-21T09:05:07+00:00"' in html
    assert 'title="2026-11-21 09:05:07 UTC"' in html
    assert ">2026-11-21 09:05 UTC<" in html
    assert tags.when(None, "never") == "never"


def test_what_is_copied_is_escaped() -> None:
    assert "<script>" not in tags.copy('"><script>', "x")


@pytest.mark.django_db
@pytest.mark.parametrize("after", ["", "x", "-1", "0", "9" * 30, "١"])
def test_a_page_begins_at_the_newest_when_its_key_makes_no_sense(after: str) -> None:
    team = Team.objects.create(name="A", slug="a")

    assert page_by_id(Team.objects.all(), after).rows == [team]
