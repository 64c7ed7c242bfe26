"""The page in a real browser, at desk and phone width: looked at, filtered, slid and walked through with keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgekit.explore.page import explore_page
from tests.browser import DESK, PHONE, open_browser, open_page
from tests.explore.made_up import explored
from tests.explore.test_page import CRITERIA, SETTINGS


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with everything: images 2 to 5 changed by the untuned model, 4 and 5 by the tuned one."""
    path = tmp_path_factory.mktemp("explore") / "page.html"
    models = [explored(6, label="untuned", changed_from=2), explored(6, label="tuned", changed_from=4)]
    path.write_text(explore_page("model", models, settings=SETTINGS, criteria=CRITERIA), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(params=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Any, url: str) -> Iterator[Any]:
    size_wh, scheme = (DESK, "light") if request.param == "desk" else (PHONE, "dark")
    with open_page(browser, url, size_wh, scheme=scheme) as page:
        yield page


def cards(page: Any) -> list[str]:
    return [label.split(":")[0] for label in page.locator(".card").evaluate_all("cards => cards.map(c => c.ariaLabel)")]


def test_all_is_shown_and_nothing_sticks_out(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert len(cards(page)) == 6 and cards(page)[:2] == ["image_004.jpg", "image_005.jpg"]
    loaded = (
        "[...document.querySelectorAll('.card img')].slice(0, 2).every((image) => image.complete && image.naturalWidth)"
    )
    page.wait_for_function(loaded)
    assert page.locator("#front .mark").count() == 3
    assert page.locator("#trace svg").is_visible() and "/model.1/conv/Conv" in page.locator("#layer").inner_text()
    for text in page.locator("#trace text, #front text").all():
        box = text.bounding_box()
        assert box is None or (box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"])


def test_the_filter_leaves_images_with_such_a_change(page: Any) -> None:
    page.click("#kinds button:nth-child(1)")
    assert cards(page) == ["image_004.jpg", "image_005.jpg"]
    assert page.locator("#count").inner_text() == "2 of 6 images, 2 changed objects"
    page.click("#models button:nth-child(1)")
    assert cards(page) == [f"image_00{i}.jpg" for i in (2, 3, 4, 5)]
    page.click("#sizes button:nth-child(3)")  # the lost one is small
    assert cards(page) == [] and "reset the filter" in page.locator("#count").inner_text()
    page.click("#reset")
    assert len(cards(page)) == 6
    page.select_option("#class", label="mug")
    assert page.locator("#count").inner_text() == "4 of 6 images, 4 changed objects"
    page.locator("#score").fill("0.75")  # the moved mug has 0.70
    assert cards(page) == []


def test_orders(page: Any) -> None:
    page.select_option("#order", "name")
    assert cards(page) == [f"image_00{i}.jpg" for i in range(6)]
    page.select_option("#order", "cosine")
    assert cards(page)[0] == "image_005.jpg"


def test_the_slider_divides_the_image(page: Any) -> None:
    page.click(".card >> nth=0")
    assert page.locator("#viewer").is_visible() and page.locator("#name").inner_text() == "image_004.jpg"
    for share in (0.25, 0.8):
        box = page.locator("#stage").bounding_box()
        page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
        page.mouse.up()
        cut = page.locator("#cut").bounding_box()
        assert cut["x"] + 1 == pytest.approx(box["x"] + box["width"] * share, abs=2)
        assert float(page.locator("#slider").input_value()) == pytest.approx(100 * share, abs=1)
        clip = page.locator("#side-a").evaluate("side => getComputedStyle(side).clipPath")
        assert float(clip.split()[1].rstrip("%")) == pytest.approx(100 * (1 - share), abs=1)
    assert page.locator("#side-a .lost rect").count() and page.locator("#side-b .gained rect").count()
    assert page.locator("#changes button").count() == 3


def test_a_change_in_the_list_moves_the_slider_to_it(page: Any) -> None:
    page.click(".card >> nth=0")
    page.click("#changes button.lost")  # x 100..120 of 320
    assert float(page.locator("#slider").input_value()) == pytest.approx(100 * 120 / 320 + 4, abs=1)
    page.click("#changes button.gained")  # x 30..90
    assert float(page.locator("#slider").input_value()) == pytest.approx(100 * 30 / 320 - 4, abs=1)
    page.uncheck("#unchanged")
    assert page.locator("#side-a .kept").count() == 0 and page.locator("#side-a .lost").count() > 0


def test_keys_alone_lead_through_it(page: Any) -> None:
    page.locator(".card").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.ariaLabel").startswith("image_005.jpg")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    name = page.locator("#name")
    assert name.inner_text() == "image_004.jpg"
    page.keyboard.press("ArrowRight")
    assert name.inner_text() == "image_005.jpg"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "slider":
            break
    before = int(page.locator("#slider").input_value())
    page.keyboard.press("ArrowRight")
    assert int(page.locator("#slider").input_value()) == before + 1 and name.inner_text() == "image_005.jpg"
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    # the browser gives the focus back to where the viewer was opened; the page moves it on in a task of its own
    page.wait_for_function("(document.activeElement.ariaLabel || '').startsWith('image_005.jpg')")


def test_a_setting_tells_its_details_on_click_and_by_keys(page: Any) -> None:
    details = page.locator("#setting")
    assert "3 tensors in int16" in details.inner_text()  # the chosen one
    assert page.locator("#front .mark.chosen").count() == 1
    page.locator("#front .mark >> nth=0").click()
    assert "calibrator" in details.inner_text() and "1.000 ms" in details.inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "3 tensors in int16" in details.inner_text()
    page.click("#criteria button:nth-child(2)")
    assert page.locator("#front .mark").count() == 2  # one setting was not scored
    assert "mAP kept" in page.locator("#front .axis").text_content()


def test_layers_are_walked_through_with_keys(page: Any) -> None:
    page.locator("#trace").focus()
    page.keyboard.press("End")
    assert "/model.2/conv/Conv" in page.locator("#layer").inner_text()
    page.keyboard.press("ArrowLeft")
    assert "the first below 0.98" in page.locator("#layer").inner_text()


def test_the_model_beside_the_reference_is_chosen_in_the_viewer(page: Any) -> None:
    page.select_option("#order", "name")
    page.click(".card >> nth=2")
    assert "Nothing changed" in page.locator("#changes").inner_text()
    page.click("#viewer-models button:nth-child(1)")
    assert page.locator("#changes button").count() == 3 and page.locator("#tag-b").inner_text() == "untuned"


def test_a_page_without_changes_or_settings(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(explore_page("model", [explored(1, changed_from=9)]), encoding="utf-8")
    with open_page(browser, path.as_uri(), PHONE) as page:
        assert cards(page) == ["image_000.jpg"] and page.locator("#settings").count() == 0
        page.click(".card")
        assert "Nothing changed" in page.locator("#changes").inner_text()
