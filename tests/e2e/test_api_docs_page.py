"""The API's description in a real browser: drawn under our content policy, and usable."""

import os
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from portal.core.models import Membership, Role
from tests import factories
from tests.e2e.browser import Complaints, chromium, signed_in

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_description_is_drawn_without_complaints_and_calls_the_api(
    live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Playwright keeps an event loop in this thread, which Django takes for an async context.
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    Membership.objects.create(user=factories.portal_admin(), team=factories.team(), role=Role.ADMIN)
    complaints = Complaints(urlsplit(live_server.url).netloc)
    with chromium() as browser:
        session = signed_in(browser, live_server.url, "root", "correct horse battery")
        page = session.new_page()
        complaints.watch(page)
        page.goto(f"{live_server.url}/docs")
        page.wait_for_selector(".opblock-summary-path", timeout=20_000)
        assert page.locator(".opblock").count() >= 20
        assert "200" in try_out(page, "get_stats")
        assert "202" in try_out(page, "start_deployment")
        session.close()
    assert complaints.found == []


def try_out(page: Page, operation: str) -> str:
    """Send the example of an operation; return the statuses that the page shows."""
    block = page.locator(f"[id$={operation}].opblock")
    block.locator("button.opblock-summary-control").click()
    block.locator("button.try-out__btn").click()
    block.locator("button.execute").click()
    shown = block.locator(".live-responses-table .response-col_status")
    shown.last.wait_for(timeout=20_000)
    return " ".join(shown.all_inner_texts())
