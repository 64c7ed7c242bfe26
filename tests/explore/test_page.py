"""The page is whole in itself, small, and nothing that a model or an image is called becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgekit.explore.gallery import IMAGE_BYTES, Gallery
from edgekit.explore.page import ExploredModel, explore_page
from edgekit.explore.setting import Criterion, Setting
from edgekit.results import Detections
from tests.explore.made_up import NAMES, compared_image, detections, explored
from tests.report.test_page import Nesting

SETTINGS = (
    Setting("untuned", 1.0, 0.0, {"loss": 1.0, "map": 0.95}),
    Setting("calibrator", 1.0, 0.0, {"loss": 0.7}, (("calibrator", "max"),)),
    Setting("3 tensors in int16", 1.3, 0.3, {"loss": 0.4, "map": 0.99}, is_chosen=True),
)
CRITERIA = (Criterion("loss", "error of the outputs", False), Criterion("map", "mAP kept", True, percent=True))


def first(pattern: str, page: str) -> str:
    match = re.search(pattern, page, re.S)
    assert match is not None
    return match[1]


def data_of(page: str) -> dict:
    return json.loads(first(r'<script type="application/json" id="data">(.*?)</script>', page))


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    page = explore_page("a beside b", [explored()], settings=SETTINGS, criteria=CRITERIA)
    parser = Nesting()
    parser.feed(re.sub(r"<img\b[^>]*>|<link\b[^>]*>", "", page))
    assert parser.open == [] and parser.outside == []
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import", page)


def test_the_policy_admits_the_style_and_script_of_the_page_alone() -> None:
    page = explore_page("a beside b", [explored()])
    policy = first(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    for tag in ("style", "script"):
        content = first(rf"<{tag}>(.*?)</{tag}>", page)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_names_cannot_put_markup_into_the_page() -> None:
    page = explore_page("<b>title</b></title>", [explored()])
    assert data_of(page)["names"] == list(NAMES)
    assert "<b>" not in page and page.count("</script>") == 2


def test_the_head_says_what_was_kept() -> None:
    page = explore_page("a beside b", [explored(6, changed_from=4)])
    assert "int8 keeps 6 of 10 objects of float on 6 images: 2 lost, 2 gained, 2 moved." in page
    assert "60.0 %" in page
    same = explore_page("a beside b", [explored(3, changed_from=3)])
    assert "int8 keeps all 3 objects of float on 3 images." in same


def test_the_data_are_those_of_the_comparison() -> None:
    data = data_of(explore_page("a beside b", [explored(6, changed_from=4)]))
    assert [image["name"] for image in data["images"]][:2] == ["image_004.jpg", "image_005.jpg"]
    assert data["reference"] == "float"
    (model,) = data["models"]
    assert (model["label"], model["first"], model["threshold"]) == ("int8", 1, 0.98)
    assert [layer["block"] for layer in model["layers"]] == ["model.0", "model.1", "model.2"]
    assert data["images"][0]["pairs"][0]["cosines"] == [9990, 9660, 9850]


def test_two_models_are_beside_the_same_images() -> None:
    models = [explored(4, label="untuned", changed_from=0), explored(4, label="tuned", changed_from=3)]
    data = data_of(explore_page("tuning", models, settings=SETTINGS, criteria=CRITERIA))
    assert [model["label"] for model in data["models"]] == ["untuned", "tuned"]
    assert all(len(image["pairs"]) == 2 for image in data["images"])
    assert [row["what"] for row in data["settings"]] == [setting.what for setting in SETTINGS]
    assert [row["chosen"] for row in data["settings"]] == [False, False, True]


def test_models_of_the_same_kind_are_called_by_their_files() -> None:
    entry = explored(2)
    gallery = Gallery()
    for index in range(2):
        image = compared_image(index, 2)
        gallery.add(replace(image, results=(image.results[0], image.results[0])))
    data = data_of(explore_page("a beside b", [ExploredModel("", entry.comparison, gallery)]))
    assert (data["reference"], data["models"][0]["label"]) == ("model.onnx", "model_quantized.onnx")


def test_layers_that_cannot_be_read_are_left_out() -> None:
    entry = explored(2)
    bare = replace(entry, comparison=replace(entry.comparison, layers=()))
    page = explore_page("a beside b", [bare])
    assert "Where they part" not in page.partition("<dialog")[0]


def crowded(count: int, device: str) -> Detections:
    rng = np.random.default_rng(7)
    boxes = rng.integers(0, 900, (count, 4))
    rows = [((x, y, x + 40 + w // 9, y + 40 + h // 9), 0.9 - i / 1000, i % 3) for i, (x, y, w, h) in enumerate(boxes)]
    return replace(detections(rows, device), size_wh=(1024, 768))


def test_a_hundred_large_images_of_crowds_stay_below_five_megabytes() -> None:
    """Noise compresses worse than any image of a camera."""
    entry, gallery = explored(2), Gallery()
    for index in range(100):
        pixels = np.random.default_rng(index).integers(0, 256, (96, 128, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        image = replace(compared_image(index, 100), image_bgr=pixels)
        gallery.add(replace(image, results=(crowded(150, "onnxruntime"), crowded(140, "sim"))))
    layers = entry.comparison.layers * 100
    page = explore_page("a beside b", [ExploredModel("", replace(entry.comparison, layers=layers), gallery)])
    assert len(data_of(page)["images"]) == 100
    assert IMAGE_BYTES < len(page.encode()) < 5_000_000


def test_the_parts_of_the_page_are_files_of_the_package() -> None:
    from edgekit.explore import page

    assert all(Path(path).is_file() for path in (*page.STYLES, *page.SCRIPTS))
