"""A real browser without a network, driven by Playwright; tests that need one skip visibly where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
DESK, PHONE = (1280, 900), (390, 844)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser that is installed here."""
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH (apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, url: str, size_wh: tuple[int, int], *, scheme: str = "light") -> Iterator[Page]:
    """Open a page offline; whatever it complains about, or asks of the network, fails the test."""
    width, height = size_wh
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light", offline=True
    )
    complaints: list[str] = []
    requests: list[str] = []
    page = context.new_page()
    page.set_default_timeout(60_000)  # a loaded machine is slow
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(url)
    yield page
    assert complaints == []
    assert [request for request in requests if not request.startswith(("file:", "data:"))] == []
    context.close()
