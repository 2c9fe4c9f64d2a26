"""The log in a real browser, through real processes: following, pausing, links, search, reconnecting."""

import hashlib
import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from bench.harness import Portal, stop
from tests.e2e.browser import chromium, signed_in

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

PASSWORD = "correct horse battery"
WRITE = """
import django; django.setup()
from django.db import transaction
from django.utils import timezone
from deployments import logs
from deployments.models import Deployment
from deployments.pipeline.claims import Claim
deployment = Deployment.objects.get(pk={key})

def write(step, *lines, level="info"):
    with transaction.atomic():
        logs.append(Claim(deployment.pk, 1, "bench"), step, [(level, line) for line in lines])
    logs.ring(deployment)

def set_step(number, status):
    step = deployment.steps.get(number=number)
    step.started_at = step.started_at or timezone.now()
    step.finished_at = None if status == "running" else timezone.now()
    step.status = status
    step.save()
    logs.ring(deployment)

def finish(status):
    Deployment.objects.filter(pk=deployment.pk).update(status=status, finished_at=timezone.now(), failure_code="build_failed")
    logs.ring(deployment)
"""


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with Portal() as portal:
        portal.env["DEBUG"] = "1"
        portal.serve()
        yield portal


class Log:
    """A deployment, the page that shows its log, and a worker that writes it."""

    def __init__(self, portal: Portal, page: Page, made: dict[str, Any]) -> None:
        self.portal = portal
        self.page = page
        self.made = made
        self.box = page.locator("[data-log-lines]")
        self.latest = page.locator("[data-log-latest]")

    def do(self, code: str) -> None:
        self.portal.run("-c", WRITE.format(key=self.made["key"]) + code)

    def open(self, mark: str = "") -> None:
        self.page.goto("about:blank")
        self.page.goto(f"http://127.0.0.1:{self.portal.port}/deployments/{self.made['short_id']}/{mark}")

    def line(self, number: int) -> Any:
        return self.page.locator(f"#L{number}")

    def expect_in_box(self, number: int) -> None:
        """The line can be read without scrolling the log; the page may still have to be scrolled to the log."""
        self.page.wait_for_function(
            """number => {
                const line = document.getElementById(`L${number}`)?.getBoundingClientRect();
                const box = document.querySelector("[data-log-lines]").getBoundingClientRect();
                return line && line.height > 0 && line.top >= box.top && line.bottom <= box.bottom + 1;
            }""",
            arg=number,
            timeout=5000,
        )

    def at_end(self) -> bool:
        return bool(self.box.evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight < 24"))


@pytest.fixture
def log(portal: Portal) -> Iterator[Log]:
    made = json.loads(portal.run("-m", "bench.log_writer", "make"))
    with chromium() as browser:
        context = signed_in(browser, f"http://127.0.0.1:{portal.port}", made["username"], PASSWORD)
        page = context.new_page()
        page.set_default_timeout(15_000)
        yield Log(portal, page, made)
        context.close()


def test_it_follows_the_end_until_the_reader_looks_up_and_again_when_told(log: Log) -> None:
    log.do("set_step(9, 'running'); write(9, *[f'line {n}' for n in range(300)])")
    log.open()
    expect(log.line(300)).to_be_visible()
    assert log.at_end()
    log.do("write(9, 'news')")
    log.expect_in_box(301)

    log.box.hover()
    log.page.mouse.wheel(0, -400)
    log.do("write(9, 'more', 'and more')")
    expect(log.latest).to_have_text("Jump to latest (2 new)")
    assert not log.at_end()

    log.latest.click()
    log.expect_in_box(303)
    expect(log.latest).to_be_hidden()


def test_a_pause_freezes_the_view_and_loses_nothing(log: Log) -> None:
    log.do("set_step(9, 'running'); write(9, 'before')")
    log.open()
    expect(log.line(1)).to_be_visible()
    log.page.get_by_role("button", name="Pause").click()
    log.do("write(9, *[f'line {n}' for n in range(6000)]); write(9, 'last')")
    expect(log.latest).to_have_text("Jump to latest (6,001 new)")
    expect(log.page.locator(".log-line")).to_have_count(1)

    log.page.get_by_role("button", name="Resume").click()
    log.expect_in_box(6002)
    gap = log.page.locator(".log-gap")
    while gap.count():
        with log.page.expect_response(re.compile("/log\\?")):
            gap.first.dispatch_event("click")
        log.page.wait_for_timeout(50)
    expect(log.page.locator(".log-line")).to_have_count(6002)


def test_a_link_to_a_line_shows_it_also_before_it_is_loaded(log: Log) -> None:
    log.do(
        "set_step(8, 'running'); write(8, *[f'early {n}' for n in range(1500)]); set_step(8, 'succeeded')\n"
        "set_step(9, 'running'); write(9, *[f'line {n}' for n in range(900)])"
    )
    log.open("#L120-L122")

    log.expect_in_box(120)
    expect(log.page.locator(".log-line.marked")).to_have_count(3)
    log.line(130).locator(".log-number").click()
    log.line(133).locator(".log-number").click(modifiers=["Shift"])
    assert log.page.url.endswith("#L130-L133")
    expect(log.page.locator(".log-line.marked")).to_have_count(4)


def test_search_finds_what_is_folded_and_not_loaded(log: Log) -> None:
    log.do(
        "set_step(8, 'running'); write(8, *[f'early {n} ' + ('needle' if n % 500 == 7 else '') for n in range(1200)])\n"
        "set_step(8, 'succeeded'); set_step(9, 'running'); write(9, *[f'line {n}' for n in range(600)])"
    )
    log.open()
    field = log.page.locator("[data-log-find]")
    field.fill("NEEDLE")
    field.press("Enter")
    expect(log.page.locator("[data-log-found]")).to_have_text("1 of 3")
    log.expect_in_box(8)
    field.press("Shift+Enter")
    expect(log.page.locator("[data-log-found]")).to_have_text("3 of 3")
    log.expect_in_box(1008)


def test_a_failed_step_opens_at_its_first_error_and_finished_ones_are_folded(log: Log) -> None:
    log.do(
        "set_step(8, 'running'); write(8, 'cloned'); set_step(8, 'succeeded')\n"
        "set_step(9, 'running'); write(9, *[f'line {n}' for n in range(1000)]); write(9, 'ERROR: no', *['after'] * 800)\n"
        "set_step(9, 'failed'); finish('failed')"
    )
    log.open()

    log.expect_in_box(1002)
    expect(log.line(1)).to_be_hidden()
    expect(log.page.locator(".log-group.bad .log-state")).to_have_text("Failed")


def test_steps_change_while_one_looks(log: Log) -> None:
    log.do("set_step(8, 'running'); write(8, 'cloning')")
    log.open()
    expect(log.page.locator(".log-group[data-step='8'][open]")).to_be_visible()
    log.do("set_step(8, 'succeeded'); set_step(9, 'running'); write(9, 'building')")

    expect(log.page.locator(".log-group[data-step='8'] .log-state")).to_have_text("Succeeded")
    expect(log.line(1)).to_be_hidden()
    expect(log.page.locator(".log-group[data-step='9'][open] .log-state")).to_have_text("Running")
    expect(log.page.locator(".log-group[data-step='9'] .log-took")).to_have_text(re.compile(r"^[1-9]s$"))
    log.do("set_step(9, 'succeeded'); finish('succeeded')")
    expect(log.page.locator(".page-head .pill")).to_have_text("Succeeded")


def test_the_filter_shows_problems_also_of_what_is_not_loaded(log: Log) -> None:
    log.do(
        "set_step(9, 'running'); write(9, 'WARNING: early', *[f'line {n}' for n in range(900)])\n"
        "write(9, '$ make', level='command'); write(9, 'ERROR: late')"
    )
    log.open()
    log.page.locator("[data-log-filter]").select_option("warning")
    expect(log.page.locator(".log-line:visible")).to_have_text(
        [re.compile("WARNING: early"), re.compile("ERROR: late")]
    )
    log.page.locator("[data-log-filter]").select_option("command")
    expect(log.page.locator(".log-line:visible")).to_have_text([re.compile(r"\$ make")])


def test_hostile_lines_are_shown_and_create_nothing(log: Log) -> None:
    hostile = [
        "<script>alert(1)</script><img src=x onerror=alert(1)>", "<div hx-get='/logout/' hx-trigger='load'>",
        "\\x1b]8;;javascript:alert(1)\\x07link\\x1b]8;;\\x07", "\\x1b[31m<b>red</b>\\x1b[0m", "{{ 7*7 }} {% debug %}",
    ]  # fmt: skip
    dialogs: list[str] = []
    log.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    log.do(f"set_step(9, 'running'); write(9, *{hostile!r})".replace("\\\\x", "\\x"))
    log.open()
    expect(log.line(5)).to_be_visible()
    log.do(f"write(9, *{hostile!r})".replace("\\\\x", "\\x"))
    expect(log.line(10)).to_be_visible()

    assert log.page.locator(".log-text :not(span)").count() == 0
    assert (
        log.line(1).locator(".log-text").text_content()
        == log.line(6).locator(".log-text").text_content()
        == hostile[0]
    )
    assert log.line(9).locator(".fg-1").text_content() == "<b>red</b>"
    assert dialogs == []


def test_a_killed_web_process_is_survived_without_gap_or_repeat(log: Log) -> None:
    log.do("set_step(9, 'running'); write(9, 'first')")
    log.open()
    expect(log.line(1)).to_be_visible()
    server = log.portal.processes[0]
    status = log.page.locator("[data-log-connection]")
    writer = log.portal.start("-m", "bench.log_writer", "write", str(log.made["key"]), "3000", "600")
    expect(log.line(500)).to_be_attached()
    stop(server, signal.SIGKILL)
    expect(status).to_have_text("Reconnecting…")
    log.portal.processes[0] = log.portal.serve(log.portal.port)
    assert writer.wait(60) == 0

    expect(log.line(3001)).to_be_attached(timeout=30_000)
    expect(status).to_have_text("")
    shown = log.page.locator(".log-line").evaluate_all(
        "lines => lines.map(line => line.id + ' ' + line.lastChild.textContent).join('\\n')"
    )
    stored = log.portal.run(
        "-c",
        "import django; django.setup()\nfrom deployments import logs\n"
        f"print('\\n'.join(f'L{{line.number}} {{line.text}}' for line in logs.read({log.made['key']}, limit=5000)), end='')",
    )
    assert hashlib.sha256(shown.encode()).hexdigest() == hashlib.sha256(stored.encode()).hexdigest()


def test_where_no_socket_gets_through_it_asks_every_two_seconds(log: Log) -> None:
    log.do("set_step(9, 'running'); write(9, 'first')")
    log.page.add_init_script(
        "window.WebSocket = class { constructor() { this.readyState = 3; setTimeout(() => this.onclose(), 5); } close() {} };"
    )
    log.open()
    expect(log.page.locator("[data-log-connection]")).to_have_text("Updating every 2 s")
    log.do("write(9, *[f'line {n}' for n in range(1200)])")
    expect(log.line(1201)).to_be_attached()
    log.do("set_step(9, 'succeeded'); finish('succeeded')")
    expect(log.page.locator(".log-group .log-state")).to_have_text("Succeeded")
    expect(log.page.locator("[data-log-connection]")).to_have_text("")


def test_tools_times_wrap_full_screen_and_copy(log: Log) -> None:
    log.do("set_step(9, 'running'); write(9, '\\x1b[31mred\\x1b[0m', 'two')")
    log.open()
    log.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    log.page.locator("[data-log-times]").click()
    assert re.fullmatch(
        r'"\d\d:\d\d:\d\d"', log.line(1).evaluate("line => getComputedStyle(line, '::before').content")
    )
    log.page.locator("[data-log-wrap]").click()
    log.page.keyboard.press("f")
    expect(log.page.locator(".log.wraps.is-full")).to_be_visible()
    log.page.keyboard.press("Escape")
    expect(log.page.locator(".log.is-full")).to_have_count(0)
    log.page.locator("[data-log-copy]").click()
    assert log.page.evaluate("navigator.clipboard.readText()") == "red\ntwo"

    log.page.reload()
    expect(log.page.locator(".log.wraps[data-times='clock']")).to_be_visible()


def test_it_is_complete_without_scripts(log: Log) -> None:
    log.do(
        "set_step(9, 'running'); write(9, '\\x1b[31mred\\x1b[0m <b>'); set_step(9, 'failed'); finish('failed')"
    )
    cookies = log.page.context.cookies()
    context = log.page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    context.add_cookies(cookies)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{log.portal.port}/deployments/{log.made['short_id']}/")

    expect(page.locator("#L1 .log-text")).to_have_text("red <b>")
    expect(page.locator("#L1 .fg-1")).to_have_text("red")
    expect(page.locator("[data-needs-script]").first).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_text("Download").click()
    assert re.fullmatch(r"bench-\w+-1-\w{8}-\d{8}-\d{4}\.txt", download.value.suggested_filename)
    context.close()
