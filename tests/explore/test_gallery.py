from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.evaluation.compared_image import ComparedImage
from edgekit.explore.gallery import COSINE_STEPS, Gallery
from edgekit.results import Classifications, DepthMap, SemanticMap
from tests.explore.made_up import NAMES, compared_image


def test_an_image_says_what_changed() -> None:
    gallery = Gallery()
    gallery.add(compared_image(0, 1))
    (image,) = gallery.images
    assert (image.changes, gallery.total, gallery.names) == (3, 1, NAMES)
    assert gallery.devices == ("onnxruntime", "sim")
    assert [row["state"] for row in image.pair["a"]] == ["kept", "faint", "lost", "moved"]
    assert [row["state"] for row in image.pair["b"]] == ["kept", "moved", "gained"]
    assert image.pair["cosines"]["b"] == round(0.97 * COSINE_STEPS)
    assert image.image["name"] == "image_000.jpg" and image.image["full"] == [320, 240]
    moved = image.pair["b"][1]
    assert moved["was"] == 0.8 and 0.5 <= moved["iou"] < 0.8


def test_the_most_changed_images_are_kept_whatever_their_order() -> None:
    indices = list(range(9))
    random.Random(4).shuffle(indices)
    gallery = Gallery(max_images=4)
    for index in indices:
        gallery.add(compared_image(index, 9, is_changed=index in (3, 5, 8)))
    assert gallery.total == 9
    assert [image.image["name"] for image in gallery.images] == [f"image_{i:03d}.jpg" for i in (3, 5, 8, 0)]


def test_equal_results_change_nothing() -> None:
    image = compared_image(0, 1)
    gallery = Gallery()
    gallery.add(replace(image, results=(image.results[0], image.results[0])))
    assert (gallery.images[0].changes, gallery.images[0].change) == (0, 0)


@pytest.mark.parametrize(
    ("second", "states"), [([0.1, 0.8, 0.1], ["lost", "gained"]), ([0.7, 0.2, 0.1], ["kept", "kept"])]
)
def test_classifiers_part_where_the_first_class_is_another(second: list[float], states: list[str]) -> None:
    a, b = (Classifications(np.array(values, np.float32), NAMES, (8, 8), "sim") for values in ([0.6, 0.3, 0.1], second))
    gallery = Gallery()
    gallery.add(ComparedImage(Path("image.png"), np.zeros((8, 8, 3), np.uint8), (a, b), {}))
    (image,) = gallery.images
    assert [image.pair["a"][0]["state"], image.pair["b"][0]["state"]] == states
    assert image.change == pytest.approx(0.5 if states[0] == "lost" else 0.1, abs=1e-6)


def test_class_maps_are_drawn_and_differ_by_their_pixels() -> None:
    image = compared_image(0, 1)
    maps = [np.zeros((240, 320), np.uint8) for _ in range(2)]
    maps[1][:, :80] = 1
    results = tuple(SemanticMap(class_map, NAMES, (320, 240), "sim") for class_map in maps)
    gallery = Gallery()
    gallery.add(replace(image, results=results))
    (described,) = gallery.images
    assert described.change == 0.25 and described.pair["a"] == described.pair["b"] == []
    first, second = described.pair["drawn"]
    assert first != second and first.startswith("data:image/")


def test_depths_are_drawn_in_the_same_colors_and_differ_by_their_ratio() -> None:
    image = compared_image(0, 1)
    depth = np.tile(np.linspace(1, 4, 320, dtype=np.float32), (240, 1))
    gallery = Gallery()
    gallery.add(replace(image, results=tuple(DepthMap(depth * f, (320, 240), "sim") for f in (np.float32(1), 1.1))))
    (described,) = gallery.images
    assert described.change == pytest.approx(0.1, abs=1e-4)
    first, second = described.pair["drawn"]
    assert first != second  # with a range of its own each, both would look alike


def test_dumped_outputs_have_nothing_to_show() -> None:
    image = compared_image(0, 1)
    with pytest.raises(ModelError, match="results of 1 of 2 models"):
        Gallery().add(replace(image, results=image.results[:1]))
