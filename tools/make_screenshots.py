"""Makes the documentation's screenshots from the real pages: python tools/make_screenshots.py [--work DIR] [NAME ...].

Pages of `report`, `compare`, `tune` and `run --preview` in the browser that is installed (chromium), scenes with what
the demo's float and int8 models detect in them, and the README's image. What the pages are made of stays in --work,
so that a second call only takes the screenshots again. Everything shown was made by edgekit, so no licence but its own
concerns it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
from screenshots.drawings import Image, captioned, column, fitted, row, to_height
from screenshots.material import Material
from screenshots.shots import PHONE, below, browser, open_changed, screenshot

from edgekit.ops.image import read_image
from edgekit.output.preview import Preview
from edgekit.runtime.session import load

ASSETS = Path(__file__).resolve().parent.parent / "docs" / "assets"
MAX_BYTES, HERO_BYTES, ALL_BYTES = 130_000, 300_000, 1_500_000
GALLERY = (22, 20, 30, 31, 8, 23)  # scenes of the gallery
TILE_WH = (420, 315)
HERO_HEIGHT = 420

Draw = Callable[[Material], Image]


def page_pair(url: str, act: Callable[..., None] = lambda page: None) -> Image:
    """A page at desk width beside the same at phone width in the dark."""
    with browser() as opened:
        desk = screenshot(opened, url, act=act)
        phone = screenshot(opened, url, PHONE, dark=True, act=act)
    return row([captioned(desk, "desk"), captioned(to_height(phone, desk.shape[0]), "phone, dark")])


def draw_report(material: Material) -> Image:
    return page_pair(material.report_page.as_uri())


def draw_charts(material: Material) -> Image:
    return page_pair(material.report_page.as_uri(), below("section.chart"))


def draw_compare(material: Material) -> Image:
    return page_pair(material.compare_page.as_uri(), below("#images"))


def draw_slider(material: Material) -> Image:
    return page_pair(material.compare_page.as_uri(), open_changed)


def draw_layers(material: Material) -> Image:
    return page_pair(material.compare_page.as_uri(), below("#layers"))


def draw_tune(material: Material) -> Image:
    return page_pair(material.tune_page.as_uri(), below("#settings"))


def draw_preview(material: Material) -> Image:
    """The page that `edgekit run --preview` serves, with an image of the int8 model."""
    image, preview = predicted(material, material.int8_model, GALLERY[2]), Preview(0)

    def feed(page: Any) -> None:
        for _ in range(10):  # a browser shows an image of a stream once the next one begins
            preview.show(image)
            page.wait_for_timeout(200)

    try:
        with browser() as opened:
            return captioned(screenshot(opened, preview.url, (900, 720), act=feed), "edgekit run --preview")
    finally:
        preview.close()


def draw_gallery(material: Material) -> Image:
    """Scenes with what int8 detects in them."""
    tiles = [fitted(predicted(material, material.int8_model, index), TILE_WH) for index in GALLERY]
    return column([row(tiles[i : i + 3]) for i in range(0, len(tiles), 3)])


def draw_hero(material: Material) -> Image:
    """Float beside int8 beside the report."""
    scene = GALLERY[1]
    models = ((material.float_model, "float"), (material.int8_model, "int8, simulated BPU"))
    parts = [captioned(to_height(predicted(material, model, scene), HERO_HEIGHT), words) for model, words in models]
    with browser() as opened:
        report = screenshot(opened, material.report_page.as_uri(), (760, 760), scale=1.0)
    return row([*parts, captioned(to_height(report, HERO_HEIGHT), "edgekit report")])


def predicted(material: Material, model: Path, scene: int) -> Image:
    """A scene with what a model detects in it."""
    image_bgr = read_image(material.scenes / f"scene_{scene:03d}.jpg")
    with load(model) as session:
        return session.predict(image_bgr).draw(image_bgr)


SCREENSHOTS: dict[str, Draw] = {
    "shot-report": draw_report,
    "shot-charts": draw_charts,
    "shot-compare": draw_compare,
    "shot-slider": draw_slider,
    "shot-layers": draw_layers,
    "shot-tune": draw_tune,
    "shot-preview": draw_preview,
    "gallery-scenes": draw_gallery,
    "hero": draw_hero,
}


def compressed(image: Image, max_bytes: int) -> bytes:
    """WebP of the best quality that fits."""
    for quality in (88, 80, 72, 64, 56, 48, 40):
        data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
        if len(data) <= max_bytes:
            break
    return data


def main() -> int:
    """Make every screenshot, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(SCREENSHOTS)} (default: all)")
    parser.add_argument("--work", type=Path, default=Path("screenshots_work"), help="what the pages are made of")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(SCREENSHOTS)):
        parser.error(f"no screenshot {unknown[0]}, expected one of {', '.join(SCREENSHOTS)}")
    material = Material(args.work.resolve())
    for name in args.names or SCREENSHOTS:
        data = compressed(SCREENSHOTS[name](material), HERO_BYTES if name == "hero" else MAX_BYTES)
        (ASSETS / f"{name}.webp").write_bytes(data)
        print(f"{name}.webp: {len(data)} bytes")
    total = sum(path.stat().st_size for path in ASSETS.iterdir())
    print(f"docs/assets: {total} bytes")
    return 1 if total > ALL_BYTES else 0


if __name__ == "__main__":
    raise SystemExit(main())
