"""Screenshots of the real pages in the browser that is installed, at desk and phone width."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from playwright.sync_api import sync_playwright

Image = npt.NDArray[np.uint8]
DESK, PHONE = (1280, 820), (390, 800)


@contextmanager
def browser() -> Iterator[Any]:
    """Start the browser; raises SystemExit where there is none."""
    path = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if path is None:
        raise SystemExit("no chromium on PATH, expected one (apt-get install chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()


def screenshot(
    opened: Any,
    url: str,
    size_wh: tuple[int, int] = DESK,
    *,
    dark: bool = False,
    scale: float = 1.0,
    act: Callable[[Any], None] = lambda page: None,
) -> Image:
    """Return what the browser shows of a page, after `act` did something on it: (h, w, 3) uint8 BGR."""
    viewport = {"width": size_wh[0], "height": size_wh[1]}
    scheme = "dark" if dark else "light"
    context = opened.new_context(viewport=viewport, color_scheme=scheme, device_scale_factor=scale)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(url, wait_until="commit" if url.startswith("http") else "load")
    page.wait_for_timeout(500)
    act(page)
    page.wait_for_timeout(500)
    data = np.frombuffer(page.screenshot(), np.uint8)
    context.close()
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


def below(selector: str) -> Callable[[Any], None]:
    """Return what scrolls a page to an element."""

    def scroll(page: Any) -> None:
        page.locator(selector).first.evaluate(
            "element => scrollTo(0, element.getBoundingClientRect().top + scrollY - 12)"
        )

    return scroll


def open_changed(page: Any) -> None:
    """Open the second image of a compare or tune page, the slider where its first change is."""
    page.locator(".card").nth(1).click()
    change = page.locator("#changes button")
    if change.count():
        change.first.click()
