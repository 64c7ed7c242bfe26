"""Class maps as results: areas, JSON, drawing, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import ConfigError, ImageError, ModelError
from edgekit.labels import class_color_bgr
from edgekit.ops.label_runs import class_rles
from edgekit.ops.rle import decode_rle, encode_rle
from edgekit.results import SemanticMap
from edgekit.results.semantic import color_classes

NAMES = ("road", "sky", "tree")
MAP = np.array([[1, 1, 1, 1], [0, 0, 2, 1]], np.uint8)


def _results(class_map: np.ndarray = MAP) -> SemanticMap:
    return SemanticMap(class_map, NAMES, (class_map.shape[1], class_map.shape[0]), "sim")


def test_areas_are_the_largest_first() -> None:
    assert _results().areas() == [(1, 5), (0, 2), (2, 1)]


def test_the_json_has_every_class_with_its_share_and_runs() -> None:
    values = _results().to_dict()
    assert (values["width"], values["height"], values["simulated"]) == (4, 2, True)
    assert [(row["name"], row["pixels"], row["share"]) for row in values["classes"]] == [
        ("sky", 5, 0.625),
        ("road", 2, 0.25),
        ("tree", 1, 0.125),
    ]
    np.testing.assert_array_equal(decode_rle(values["classes"][1]["segmentation"]), MAP == 0)
    assert "segmentation" not in _results().to_dict(masks="none")["classes"][0]
    assert isinstance(_results().to_dict(masks="polygons")["classes"][0]["segmentation"], list)


@pytest.mark.parametrize("seed", range(4))
def test_runs_of_all_classes_are_those_of_each_mask(seed: int) -> None:
    class_map = np.random.default_rng(seed).integers(0, 4, (7, 5)).astype(np.uint8)
    rles = class_rles(class_map)
    assert list(rles) == np.unique(class_map).tolist()
    assert rles == {int(i): encode_rle(class_map == i) for i in np.unique(class_map)}


def test_a_map_of_one_class_is_one_run() -> None:
    assert class_rles(np.full((2, 3), 7, np.uint8)) == {7: encode_rle(np.ones((2, 3), np.bool_))}


def test_pixels_are_tinted_in_the_color_of_their_class() -> None:
    assert color_classes(MAP, 3)[1, 2].tolist() == list(class_color_bgr(2))
    image = np.full((90, 120, 3), 200, np.uint8)
    class_map = np.zeros((90, 120), np.uint8)
    class_map[:, 60:] = 1
    drawn = _results(class_map).draw(image)
    assert (image == 200).all()
    assert not np.array_equal(drawn[60, 30], drawn[60, 100])


def test_a_class_without_a_name_is_refused() -> None:
    with pytest.raises(ModelError, match="holds the class 3"):
        _results(np.array([[3]], np.uint8))


def test_what_it_is_not_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="no COCO rows"):
        _results().to_coco(1)
    with pytest.raises(ImageError):
        _results().draw(np.zeros((9, 9, 3), np.uint8))
