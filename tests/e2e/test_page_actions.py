"""What pages do under somebody's hands: dialogs, double clicks, live parts, the menu, and no scripts at all."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect

from deployments.models import Deployment, Environment
from deployments.states import Status
from tests import page_seed
from tests.e2e.browser import PHONE, chromium, signed_in
from tests.page_seed import PASSWORD, Seed

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def seed(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Seed:
    # Playwright keeps an event loop in this thread, which Django takes for an async context.
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    return page_seed.seed()


@pytest.fixture
def chrome(seed: Seed, live_server: Any) -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def session(chrome: Browser, live_server: Any) -> Iterator[BrowserContext]:
    found = signed_in(chrome, live_server.url, "root", PASSWORD)
    yield found
    found.close()


@pytest.fixture
def page(session: BrowserContext) -> Page:
    return session.new_page()


def status_of(deployment: Deployment) -> str:
    deployment.refresh_from_db()
    return deployment.status


def test_a_question_is_asked_first_and_escape_keeps_everything(
    seed: Seed, page: Page, live_server: Any
) -> None:
    running = seed.by_status["running"]
    page.goto(live_server.url + running.get_absolute_url())
    button = page.get_by_role("button", name="Cancel", exact=True)

    button.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("What ran before goes on.")
    page.keyboard.press("Escape")

    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    assert status_of(running) == Status.RUNNING


def test_the_question_answered_the_deployment_is_cancelled_and_a_toast_says_so(
    seed: Seed, page: Page, live_server: Any
) -> None:
    running = seed.by_status["running"]
    page.goto(live_server.url + running.get_absolute_url())

    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the deployment").click()

    expect(page.locator("#toasts .toast")).to_contain_text("is being cancelled")
    assert status_of(running) == Status.CANCELLING


def test_a_question_survives_the_refresh_of_the_page_behind_it(
    seed: Seed, page: Page, live_server: Any
) -> None:
    running = seed.by_status["running"]
    page.goto(live_server.url + running.get_absolute_url())

    page.get_by_role("button", name="Cancel", exact=True).click()
    running.steps.filter(number=9).update(message="Half of it is done.")
    page.wait_for_timeout(2600)
    page.get_by_role("button", name="Cancel the deployment").click()

    expect(page.locator("#toasts .toast")).to_contain_text("is being cancelled")


def test_a_protected_environment_wants_its_name_typed(seed: Seed, page: Page, live_server: Any) -> None:
    page.goto(live_server.url + seed.churn.get_absolute_url())
    before = Deployment.objects.count()

    page.locator("#prod").get_by_role("button", name="Deploy", exact=True).click()
    go = page.get_by_role("button", name="Deploy to prod")
    expect(go).to_be_disabled()
    page.get_by_label("Type prod to confirm").fill("prod")
    page.keyboard.press("Enter")

    page.wait_for_url("**/deployments/*/")
    assert Deployment.objects.count() == before + 1


def test_a_double_click_sends_one_request(seed: Seed, page: Page, live_server: Any) -> None:
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.goto(live_server.url + reverse("deploy"))

    page.get_by_role("button", name="Deploy the example").dblclick()
    page.wait_for_url("**/deployments/*/")

    assert len([url for url in posts if url.endswith("/deploy/example/")]) == 1
    assert Deployment.objects.filter(application__name="sentiment-api").count() == 1


def test_lists_are_searched_while_typing(seed: Seed, page: Page, live_server: Any) -> None:
    page.goto(live_server.url + reverse("applications"))

    page.keyboard.press("/")
    page.keyboard.type("churn")

    expect(page.locator("#application-list tbody tr")).to_have_count(1)
    assert page.url.endswith("?q=churn")


def test_the_git_url_is_checked_when_the_field_is_left(seed: Seed, page: Page, live_server: Any) -> None:
    page.goto(live_server.url + reverse("deploy"))

    page.get_by_label("Git URL").fill("ftp://example.org/x")
    page.keyboard.press("Tab")

    expect(page.locator("#checks li.bad")).to_have_count(1)


def test_the_page_follows_the_deployment_to_its_end_by_itself(
    seed: Seed, page: Page, live_server: Any
) -> None:
    running = seed.by_status["running"]
    page.goto(live_server.url + running.get_absolute_url())
    expect(page).to_have_title("▸ running-model #1 · Running · Portal")

    running.steps.update(status="succeeded", started_at=timezone.now(), finished_at=timezone.now())
    Deployment.objects.filter(pk=running.pk).update(
        status=Status.SUCCEEDED, finished_at=timezone.now(), url="http://127.0.0.1:20002"
    )
    Environment.objects.filter(pk=running.environment_id).update(live_deployment=running)

    expect(page.get_by_role("heading", name="It is live")).to_be_visible(timeout=10_000)
    expect(page).to_have_title("✓ running-model #1 · Succeeded · Portal")
    assert "16a34a" in (page.locator("link[rel=icon]").get_attribute("href") or "")
    assert page.locator("#deployment-live").get_attribute("hx-trigger") is None


def test_an_ended_session_leads_to_the_sign_in_and_back(
    seed: Seed, page: Page, session: BrowserContext, live_server: Any
) -> None:
    address = seed.by_status["running"].get_absolute_url()
    page.goto(live_server.url + address)

    session.clear_cookies()

    page.wait_for_url("**/login/?next=*", timeout=10_000)
    page.fill("#id_username", "root")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(live_server.url + address)


def test_the_menu_of_the_phone_opens_and_closes_by_keyboard(seed: Seed, page: Page, live_server: Any) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(live_server.url)
    link = page.get_by_role("link", name="Instances")
    expect(link).to_be_hidden()

    page.get_by_role("button", name="Menu").press("Enter")
    expect(link).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    link.click()

    page.wait_for_url("**/instances/")


def test_the_chosen_colours_stay(seed: Seed, page: Page, live_server: Any) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(live_server.url)
    page.locator(".theme-toggle").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.goto(live_server.url + reverse("admin:index"))

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_the_keyboard_reaches_the_content_first(seed: Seed, page: Page, live_server: Any) -> None:
    page.goto(live_server.url)

    page.keyboard.press("Tab")
    expect(page.locator(".skip-to-content-link")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("#content-start")).to_be_focused()


def test_everything_works_without_scripts(seed: Seed, chrome: Browser, live_server: Any) -> None:
    context = chrome.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(live_server.url + reverse("login"))
    page.fill("#id_username", "root")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    running = seed.by_status["running"]

    page.goto(live_server.url + running.get_absolute_url())
    expect(page.locator(".step")).to_have_count(12)
    page.get_by_role("button", name="Cancel", exact=True).click()

    assert status_of(running) == Status.CANCELLING
    expect(page.locator("#toasts")).to_contain_text("is being cancelled")
    context.close()
