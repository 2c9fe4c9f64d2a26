"""Every page in a real browser: light, dark and on a phone; quiet console, no outside request, accessible."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page

from tests import page_seed
from tests.e2e.browser import DESKTOP, PHONE, Complaints, chromium, is_too_wide, signed_in
from tests.page_seed import PASSWORD, Seed

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RESULTS = Path(__file__).resolve().parents[2] / "test-results"
SHOTS = Path(os.environ.get("PORTAL_SCREENSHOTS", RESULTS / "pages"))
LOOKS = [("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE), ("dark", PHONE)]


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


def addresses(seed: Seed) -> dict[str, str]:
    """Every page, by the name of its picture."""
    pages = {
        "overview": reverse("overview"),
        "applications": reverse("applications"),
        "applications-none-fits": reverse("applications") + "?q=nothing-like-this",
        "application": seed.churn.get_absolute_url(),
        "deploy": reverse("deploy"),
        "deploy-image": reverse("deploy") + "?source=image",
        "deploy-new-instance": reverse("deploy") + "?target=ec2",
        "environment-settings": reverse("environment-settings", args=[seed.churn.name, seed.dev.name]),
        "environment-settings-server": reverse("environment-settings", args=[seed.churn.name, "gpu"]),
        "compare": reverse("deployment-compare", args=[seed.by_status["succeeded"].short_id]),
        "deployments": reverse("deployments"),
        "deployments-failed": reverse("deployments") + "?status=failed",
        "instances": reverse("instances"),
        "instance": seed.dev.instance.get_absolute_url(),
        "tokens": reverse("tokens"),
        "system": reverse("system"),
        "password": reverse("password-change"),
        "not-found": "/applications/nothing-like-this/",
        "admin": reverse("admin:index"),
        "admin-user-add": reverse("admin:core_user_add"),
        "admin-application": reverse("admin:deployments_application_change", args=[seed.churn.pk]),
        "admin-environment": reverse("admin:deployments_environment_change", args=[seed.dev.pk]),
        "admin-team": reverse("admin:core_team_change", args=[seed.team.pk]),
    }
    for model in ("deployments_application", "deployments_environment", "deployments_deployment", "deployments_release",
                  "instances_instance", "core_user", "core_team", "core_token", "core_auditevent"):  # fmt: skip
        pages[f"admin-list-{model}"] = reverse(f"admin:{model}_changelist")
    for status, deployment in seed.by_status.items():
        pages[f"deployment-{status}"] = deployment.get_absolute_url()
    failed = seed.by_status["failed"]
    pages["admin-deployment"] = reverse("admin:deployments_deployment_change", args=[failed.pk])
    return pages


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_every_page_is_quiet_and_fits(
    scheme: str, size: dict[str, int], seed: Seed, session: BrowserContext, live_server: Any
) -> None:
    complaints = Complaints(live_server.url.removeprefix("http://"))
    page = _page(session, scheme, size)
    complaints.watch(page)
    too_wide = []

    for name, address in addresses(seed).items():
        page.goto(live_server.url + address)
        _picture(page, name, scheme, size)
        if is_too_wide(page):
            too_wide.append(name)

    unexpected = [text for text in complaints.found if "nothing-like-this" not in text]
    assert not unexpected, "\n".join(unexpected)
    assert not too_wide, too_wide


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(scheme: str, seed: Seed, session: BrowserContext, live_server: Any) -> None:
    page = _page(session, scheme, DESKTOP)
    serious = []

    for name, address in addresses(seed).items():
        page.goto(live_server.url + address)
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                nodes = [node["html"][:160] for node in violation["nodes"][:3]]
                serious.append(f"{name}: {violation['id']} ({len(violation['nodes'])}): {nodes}")

    assert not serious, "\n".join(serious)


def test_signed_out_pages_are_quiet(seed: Seed, chrome: Browser, live_server: Any) -> None:
    for scheme, size in LOOKS:
        context = chrome.new_context()
        complaints = Complaints(live_server.url.removeprefix("http://"))
        page = _page(context, scheme, size)
        complaints.watch(page)
        page.goto(f"{live_server.url}/deployments/?status=failed")
        _picture(page, "login", scheme, size)
        page.fill("#id_username", "root")
        page.fill("#id_password", "wrong")
        page.click("button[type=submit].primary")
        _picture(page, "login-wrong", scheme, size)
        assert complaints.found == []
        context.close()


def _page(context: BrowserContext, scheme: Any, size: Any) -> Page:
    page = context.new_page()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size(size)
    return page


def _picture(page: Page, name: str, scheme: str, size: dict[str, int]) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    device = "phone" if size == PHONE else "desktop"
    page.screenshot(path=str(SHOTS / f"{name}-{device}-{scheme}.png"), full_page=True)
