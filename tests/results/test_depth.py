"""Depth maps as results: 16-bit codes, JSON, drawing, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import ConfigError
from edgekit.results import DepthMap
from edgekit.results.depth import color_depth, drawn_range


def _results(depth: list[list[float]]) -> DepthMap:
    values = np.array(depth, np.float32)
    return DepthMap(values, (values.shape[1], values.shape[0]), "sim")


def test_a_png_holds_millimetres() -> None:
    results = _results([[1.2344, 0.0, 65.535]])
    assert (results.png_scale, results.to_png16().tolist()) == (1000.0, [[1234, 0, 65535]])


def test_what_lies_far_is_kept_in_centimetres() -> None:
    results = _results([[148.4, 2.0]])
    assert (results.png_scale, results.to_png16().tolist()) == (100.0, [[14840, 200]])


def test_what_is_no_number_is_no_depth() -> None:
    results = _results([[np.nan, np.inf, 1.0]])
    assert results.to_png16(1000).tolist() == [[0, 65535, 1000]]
    assert results.to_dict()["depth"]["max"] == 1.0


def test_the_json_has_the_range_and_the_factor() -> None:
    assert _results([[1.0, 2.0, 6.0]]).to_dict()["depth"] == {
        "min": 1.0,
        "max": 6.0,
        "mean": 3.0,
        "median": 2.0,
        "png_scale": 1000.0,
    }


def test_near_and_far_have_the_ends_of_the_colors() -> None:
    colors = color_depth(np.array([[1.0, 2.0, 4.0]], np.float32), 1.0, 4.0)[0].astype(int)
    assert colors[0, 2] > colors[0, 0]  # near is red
    assert len({tuple(color) for color in colors.tolist()}) == 3


def test_a_flat_map_is_drawn_too() -> None:
    image = np.full((120, 160, 3), 90, np.uint8)
    results = DepthMap(np.full((120, 160), 3.0, np.float32), (160, 120), "sim")
    near, far = drawn_range(results.depth)
    assert near < far
    assert results.draw(image).shape == image.shape
    assert (image == 90).all()


def test_what_it_is_not_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="no COCO rows"):
        _results([[1.0]]).to_coco(1)
