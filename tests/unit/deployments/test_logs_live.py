"""The live side without a server: who may open a socket, what a client may say, what viewers are told."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client

from deployments import routing
from deployments.logs import frames, messages, viewers
from deployments.logs.frames import Frame, Outcome, StepState
from deployments.logs.lines import Line
from deployments.logs.messages import Acknowledge, Allowance, Ping, Refused, Subscribe
from deployments.logs.viewers import TooSlow, Viewer
from deployments.logs.visitors import identify
from portal.core import tokens
from tests import factories

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)


# --- origins ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("host", "origin", "ours"),
    [
        ("localhost:8000", "http://localhost:8000", True),
        ("localhost", "http://localhost", True),
        ("localhost:80", "http://localhost", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("[::1]:8000", "http://[::1]:8000", True),
        ("localhost:8000", "http://localhost:20000", False),
        ("localhost:8000", "https://localhost:8000", False),
        ("localhost:8000", "http://127.0.0.1:8000", False),
        ("localhost:8000", "http://localhost.evil.example:8000", False),
        ("localhost:8000", "http://evil.example", False),
        ("localhost:8000", "null", False),
        ("localhost:8000", "", False),
        ("localhost:8000", "http://localhost:8000@evil.example", False),
        ("localhost:8000", "http://localhost:999999", False),
        ("localhost:8000", "file://", False),
        ("evil.example", "http://evil.example", False),
        ("", "http://localhost", False),
        ("localhost:8000", None, False),
        ("localhost:8000", "https://portal.example", True),
        ("localhost:8000", "https://portal.example:8443", False),
        ("localhost:8000", "https://trusted.example:8443", True),
        ("localhost:8000", "https://x.wild.example", False),
    ],
)
def test_only_our_own_pages_open_a_socket(settings, host, origin, ours):
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    settings.PUBLIC_URL = "https://portal.example"
    settings.CSRF_TRUSTED_ORIGINS = ["https://trusted.example:8443", "https://*.wild.example"]
    headers = {b"host": host, b"cookie": "portal_session=x"}
    if origin is not None:
        headers[b"origin"] = origin

    assert routing.is_ours(headers) is ours


def test_a_machine_with_a_token_needs_no_origin_but_a_browser_with_one_is_still_checked():
    assert routing.is_ours({b"host": "localhost", b"authorization": "Bearer x"})
    assert not routing.is_ours({b"host": "localhost", b"authorization": "Bearer x", b"origin": "http://evil"})


def test_the_proxy_is_believed_about_https_only_where_one_is_trusted(settings):
    headers = {b"host": "localhost", b"origin": "https://localhost", b"x-forwarded-proto": "https"}
    assert not routing.is_ours(headers)

    settings.TRUSTED_PROXIES = 1
    assert routing.is_ours(headers)


# --- visitors ----------------------------------------------------------------------------------------
@pytest.mark.django_db
class TestVisitors:
    def headers(self, user) -> dict[str, str]:
        client = Client()
        client.force_login(user)
        return {"cookie": f"a=b; portal_session={client.cookies['portal_session'].value}"}

    def test_a_session_is_known_until_it_ends(self):
        user = factories.user()
        headers = self.headers(user)
        assert identify(headers).user == user

        get_user_model().objects.filter(pk=user.pk).update(is_active=False)
        assert identify(headers) is None

    def test_a_new_password_ends_the_session(self):
        user = factories.user()
        headers = self.headers(user)
        user.set_password("another long password")
        user.save()

        assert identify(headers) is None

    def test_a_session_made_under_an_older_key_stays_as_it_is(self, settings):
        user = factories.user()
        headers = self.headers(user)
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "a new key that is long enough for the portal, truly"

        assert identify(headers).user == user
        assert Session.objects.count() == 1

    @pytest.mark.parametrize(
        "cookie", ["", "portal_session=", "portal_session=nonsense", "\x00=;;", "portal_session"]
    )
    def test_nonsense_is_nobody(self, cookie):
        assert identify({"cookie": cookie}) is None

    def test_a_token_needs_the_scope_to_read(self):
        user = factories.user()
        _, reads = tokens.create(user=user, name="a", scopes=["read"], by=user)
        _, predicts = tokens.create(user=user, name="b", scopes=["predict"], by=user)

        assert identify({"authorization": f"Bearer {reads.reveal()}"}).user == user
        assert identify({"authorization": f"Bearer {predicts.reveal()}"}) is None
        assert identify({"authorization": "Bearer x"}) is None
        assert identify({**self.headers(user), "authorization": "Basic x"}) is None


# --- what a client says ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"ping"}', Ping()),
        ('{"type":"ack","seq":7}', Acknowledge(7)),
        ('{"type":"subscribe_deployment","deployment_id":"a1b2c3d4"}', Subscribe("a1b2c3d4", None)),
        ('{"type":"subscribe_deployment","deployment_id":"a1b2c3d4","after":0}', Subscribe("a1b2c3d4", 0)),
    ],
)
def test_the_three_messages(text, message):
    assert messages.parse(text) == message


@pytest.mark.parametrize(
    "text",
    [
        None, "", "null", "[]", "1", '"ping"', "{}", "{", '{"type":"ping","x":1}', '{"type":"Ping"}', '{"type":["ping"]}',
        '{"type":"ack"}', '{"type":"ack","seq":"7"}', '{"type":"ack","seq":-1}', '{"type":"ack","seq":true}',
        '{"type":"ack","seq":1e3}', '{"type":"ack","seq":NaN}', '{"type":"ack","seq":99999999999}',
        '{"type":"subscribe_deployment"}', '{"type":"subscribe_deployment","deployment_id":1}',
        '{"type":"subscribe_deployment","deployment_id":"x","command":"id"}',
        '{"type":"subscribe_deployment","deployment_id":"' + "x" * 37 + '"}',
        '{"type":"websocket.disconnect"}', '{"type":"ping"' + " " * 4096 + "}", '{"type":"' + "é" * 2100 + '"}',
        "[" * 4000, "{" * 4000, '{"a":' * 800, "\ud800", '{"type":"ack","seq":' + "9" * 4000 + "}",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(Refused):
        messages.parse(text)


def test_a_flood_is_refused_but_a_busy_reader_is_not(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(messages.time, "monotonic", lambda: now[0])
    allowance = Allowance()
    for _ in range(1000):
        now[0] += 0.02
        allowance.use()
    with pytest.raises(Refused):
        for _ in range(300):
            allowance.use()


# --- what viewers are told ---------------------------------------------------------------------------------
def test_a_line_carries_its_colours_as_parts_and_its_text_plain():
    line = Line(7, 9, AT, "info", "\x1b[31m<b>\x1b[0m end")

    assert frames.line_message(line) == {
        "seq": 7, "step": 9, "t": 1795251600000, "level": "info", "text": "<b> end",
        "parts": [("fg-1", "<b>"), ("", " end")],
    }  # fmt: skip


def test_a_frame_holds_a_limited_amount():
    lines = [Line(number, 1, AT, "info", "x" * 1000) for number in range(1, 500)]

    frame = frames.log_frame("id", 0, lines)

    assert len(frame.text) < 80 * 1024
    assert json.loads(frame.text)["seq"] == frame.last < 100


def state(number: int, status: str, began: int | None = None, ended: int | None = None) -> StepState:
    def moment(seconds: int | None) -> datetime | None:
        return None if seconds is None else AT + timedelta(seconds=seconds)

    return StepState(number, f"key{number}", f"Step {number}", status, "", moment(began), moment(ended))


def test_changes_are_told_in_the_order_in_which_they_happened():
    before = [state(1, "running", 0), state(2, "pending"), state(3, "pending"), state(4, "pending")]
    now = [
        state(1, "succeeded", 0, 5),
        state(2, "skipped", None, 6),
        state(3, "failed", 7, 9),
        state(4, "pending"),
    ]

    changes = frames.step_changes(before, now)

    assert [(change.number, change.status) for change in changes] == [
        (1, "succeeded"), (2, "skipped"), (3, "running"), (3, "failed"),
    ]  # fmt: skip
    assert frames.step_changes(now, now) == []


def test_the_first_look_tells_the_whole_story():
    now = [state(2, "running", 6), state(1, "succeeded", 0, 5)]

    assert [(change.number, change.status) for change in frames.step_changes([], now)] == [
        (1, "running"), (1, "succeeded"), (2, "running"),
    ]  # fmt: skip


def test_an_update_has_what_clients_of_old_expect_and_more():
    message = frames.step_message("id", state(3, "failed", 7, 9), 12)

    assert {
        "step": "Step 3",
        "status": "failed",
        "message": "Step 3: failed",
        "deployment_id": "id",
        "seq": 12,
    }.items() <= message.items()
    assert message["timestamp"] == "2026-11-21T09:00:09+00:00"
    assert message["data"]["number"] == 3


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome("succeeded", "http://x/", "", ""), {"type": "deployment_complete", "url": "http://x/"}),
        (Outcome("cancelled", "", "", ""), {"type": "deployment_error", "error": "It was cancelled."}),
        (
            Outcome("failed", "", "git_failed", "exit 128"),
            {"type": "deployment_error", "error": "Git failed: exit 128"},
        ),
        (Outcome("failed", "", "", ""), {"type": "deployment_error", "error": "It failed."}),
    ],
)
def test_the_end_is_told(outcome, expected):
    message = frames.end_message("id", outcome, 1)

    assert expected.items() <= message.items()
    assert message["deployment_id"] == "id"


# --- one viewer ----------------------------------------------------------------------------------------------
class Source:
    """A log whose frames are ten kilobytes each."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.events = ["first event"]
        self.end = ""

    async def page(self, after: int) -> Frame | None:
        return Frame(after, after + 1, "x" * 10_000)


async def test_a_viewer_who_acknowledges_nothing_gets_one_window_and_no_more():
    sent: list[str] = []

    async def send(text: str) -> None:
        sent.append(text)

    viewer = Viewer(send, after=0)
    task = asyncio.ensure_future(viewer.serve(Source(1000)))
    await asyncio.sleep(0.05)
    assert sum(map(len, sent)) < viewers.WINDOW_BYTES + 11_000

    before = len(sent)
    viewer.acknowledge(5)
    await asyncio.sleep(0.05)
    assert len(sent) == before + 5
    task.cancel()


async def test_a_viewer_who_stays_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(viewers, "PATIENCE_SECONDS", 0.1)

    async def send(text: str) -> None:
        pass

    viewer = Viewer(send, after=0)
    with pytest.raises(TooSlow):
        await asyncio.wait_for(viewer.serve(Source(1000)), timeout=5)


async def test_a_viewer_who_wants_no_lines_gets_events_and_the_end_only():
    sent: list[str] = []

    async def send(text: str) -> None:
        sent.append(text)

    source = Source(1000)
    source.end = "the end"
    task = asyncio.ensure_future(Viewer(send, after=None).serve(source))
    await asyncio.sleep(0.05)

    assert sent == ["first event", "the end"]
    task.cancel()


async def test_the_end_comes_after_the_last_line():
    sent: list[str] = []

    async def send(text: str) -> None:
        sent.append(text[:10])

    source = Source(3)
    source.end = "the end"
    task = asyncio.ensure_future(Viewer(send, after=1).serve(source))
    await asyncio.sleep(0.05)

    assert sent == ["first even", "x" * 10, "x" * 10, "the end"]
    task.cancel()
