"""Agreement of two models, on numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.demo.agreement import CosineSum, Found, confident, float_heads, found_again
from edgekit.results import Detections
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess


def detections(boxes: list[list[float]], classes: list[int], scores: list[float] | None = None) -> Detections:
    count = len(boxes)
    return Detections(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(scores or [0.9] * count, np.float32),
        np.asarray(classes, np.int32),
        ("a", "b"),
        (100, 100),
        "sim",
    )


def test_found_needs_class_and_overlap() -> None:
    reference = detections([[0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]], [0, 1, 0])
    others = detections([[0, 0, 10, 9], [20, 20, 30, 30], [50, 50, 60, 55]], [0, 0, 0])
    found = found_again(reference.boxes_xyxy, reference.class_ids, others, min_iou=0.8)
    assert found == Found(1, 3), "the first; the second is of another class, the third overlaps by half"
    assert found.share == pytest.approx(1 / 3)


def test_each_box_is_used_once() -> None:
    twice = detections([[0, 0, 10, 10], [0, 0, 10, 10]], [0, 0])
    once = detections([[0, 0, 10, 10]], [0])
    assert found_again(twice.boxes_xyxy, twice.class_ids, once, min_iou=0.8) == Found(1, 2)


def test_nothing_to_find_and_nothing_found() -> None:
    nothing, one = detections([], []), detections([[0, 0, 10, 10]], [0])
    assert found_again(nothing.boxes_xyxy, nothing.class_ids, one, min_iou=0.8) == Found(0, 0)
    assert found_again(one.boxes_xyxy, one.class_ids, nothing, min_iou=0.8) == Found(0, 1)
    assert Found().share == 1.0
    assert Found(1, 2) + Found(3, 4) == Found(4, 6)


def test_confident_keeps_from_the_threshold_on() -> None:
    boxes, classes = confident(detections([[0, 0, 1, 1]] * 3, [0, 1, 0], [0.5, 0.4, 0.3]), 0.4)
    assert boxes.shape == (2, 4) and classes.tolist() == [0, 1]


def test_cosine_over_several_arrays() -> None:
    cosine = CosineSum()
    assert cosine.value == 0.0
    cosine.add(np.array([3.0]), np.array([3.0]))
    cosine.add(np.array([4.0]), np.array([0.0]))
    assert cosine.value == pytest.approx(9 / (5 * 3))


def test_integers_become_floats_by_their_scales() -> None:
    outputs = (
        HeadSpec("b", "box", (1, 1, 1, 2), 8, "int32", (0.5, 0.25)),
        HeadSpec("p", "proto", (1, 1, 1, 2), 4, "int16", (2.0,)),
        HeadSpec("c", "class", (1, 1, 1, 2), 8),
    )
    spec = ModelSpec("segment", ("a", "b"), InputSpec("x"), Preprocess(32, 32), outputs)
    heads = {"b": np.array([[[[2, 4]]]], np.int32), "p": np.array([[[[1, -3]]]], np.int16), "c": np.ones((1, 1, 1, 2))}
    floats = float_heads(heads, spec)
    assert floats["box_8"].ravel().tolist() == [1.0, 1.0]
    assert floats["proto_4"].ravel().tolist() == [2.0, -6.0]
    assert floats["class_8"].dtype == np.float32
