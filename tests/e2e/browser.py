"""A real browser, and everything in it that must not happen: errors, CSP reports, requests to elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP = {"width": 1360, "height": 900}
PHONE = {"width": 390, "height": 844}
WIDER_THAN_WINDOW = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@dataclass
class Complaints:
    """What a page said or did that it must not."""

    home: str
    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.found.append(f"{page.url}: exception: {error}"))
        page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        # The plain test server speaks no WebSocket; the log panel then asks by polling, as it should.
        if message.type in ("error", "warning") and "WebSocket connection" not in message.text:
            self.found.append(f"{message.location.get('url', '')}: {message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.home:
            self.found.append(f"request to elsewhere: {request.url}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The installed Chromium, started and ended."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def signed_in(browser: Browser, home: str, username: str, password: str) -> BrowserContext:
    """A context in which somebody has signed in through the form."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{home}/login/")
    page.fill("#id_username", username)
    page.fill("#id_password", password)
    page.click("button[type=submit].primary")
    page.wait_for_url(f"{home}/")
    page.close()
    return context


def is_too_wide(page: Page) -> bool:
    """Whether the page scrolls sideways."""
    answer: bool = page.evaluate(WIDER_THAN_WINDOW)
    return answer
