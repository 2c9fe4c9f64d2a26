"""The plan below the deploy form in a real browser: shown, accessible, and deployed."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page
from pytest_django import Settings

from deployments.models import Deployment
from deployments.planning import cloud
from tests import page_seed
from tests.e2e.browser import DESKTOP, PHONE, Complaints, chromium, is_too_wide, signed_in
from tests.e2e.test_pages import SHOTS
from tests.fakes_cloud import FakeMachines
from tests.page_seed import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def session(
    transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
    live_server: Any,
    settings: Settings,
    tmp_path: Any,
) -> Iterator[BrowserContext]:
    # Playwright keeps an event loop in this thread, which Django takes for an async context.
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    monkeypatch.setattr(cloud, "machines_in", lambda region: FakeMachines())
    settings.DATA_DIR = tmp_path
    page_seed.seed()
    with chromium() as found:
        yield signed_in(found, live_server.url, "root", PASSWORD)


def open_form(session: BrowserContext, home: str, *, scheme: Any, size: Any, query: str = "") -> Page:
    page = session.new_page()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size(size)
    page.goto(home + reverse("deploy") + query)
    return page


def picture(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / f"{name}.png"), full_page=True)


LOOKS = [("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE)]


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_the_plan_is_shown_quiet_and_accessible(
    session: BrowserContext, live_server: Any, settings: Settings, scheme: str, size: dict[str, int]
) -> None:
    settings.ALLOWED_SSH_IP = "0.0.0.0/0"
    complaints = Complaints(live_server.url.removeprefix("http://"))
    name = f"{'phone' if size == PHONE else 'desktop'}-{scheme}"
    example = (settings.EXAMPLES_DIR / "iris-predictor").as_uri()
    for shot, query, image in (
        ("plan", f"?git_url={example}", ""),
        ("plan-ec2", "?source=image&target=ec2", "a/b:1"),
    ):
        page = open_form(session, live_server.url, scheme=scheme, size=size, query=query)
        complaints.watch(page)
        if image:
            page.fill("#id_image", image)
            page.fill("#id_name", "planned")
        page.click("text=Show the plan")
        page.wait_for_selector("#plan-title")
        picture(page, f"{shot}-{name}")
        page.evaluate("document.querySelectorAll('#plan details').forEach((one) => { one.open = true; })")
        picture(page, f"{shot}-open-{name}")
        assert not is_too_wide(page)
        serious = [
            v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")
        ]
        assert serious == []
        page.close()
    assert complaints.found == []


def test_the_plan_that_is_shown_is_the_one_that_is_deployed(
    session: BrowserContext, live_server: Any, settings: Settings
) -> None:
    before = Deployment.objects.count()
    example = (settings.EXAMPLES_DIR / "iris-predictor").as_uri()
    page = open_form(session, live_server.url, scheme="light", size=DESKTOP, query=f"?git_url={example}")
    page.click("text=Show the plan")
    page.wait_for_selector("#plan-title")
    assert Deployment.objects.count() == before
    page.click("text=Deploy this plan")
    page.wait_for_url("**/deployments/*/")
    assert Deployment.objects.order_by("-id")[0].options["plan_hash"]


def test_a_mistake_is_said_where_the_plan_would_stand(session: BrowserContext, live_server: Any) -> None:
    page = open_form(session, live_server.url, scheme="light", size=DESKTOP)
    page.fill("#id_git_url", "ftp://example.org/x")
    page.click("text=Show the plan")
    assert "Git URL:" in page.inner_text("#plan .note")
