"""Agreement of two models, on numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.demo.agreement import CosineSum, MatchCount, count_matches, float_heads, scene_detections
from edgekit.demo.scenes import render_image
from edgekit.evaluation.detection_diff import as_image_detections
from edgekit.evaluation.detections import ImageDetections
from edgekit.results import Detections
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess


def found(boxes: list[list[float]], classes: list[int], scores: list[float] | None = None) -> ImageDetections:
    columns = np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(scores or [0.9] * len(boxes), np.float32)
    results = Detections(*columns, np.asarray(classes, np.int32), ("a", "b"), (100, 100), "sim")
    return as_image_detections(results)


def test_found_needs_class_and_overlap() -> None:
    reference = found([[0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]], [0, 1, 0])
    others = found([[0, 0, 10, 9], [20, 20, 30, 30], [50, 50, 60, 55]], [0, 0, 0])
    tally = count_matches(reference, others, min_score=0.4, min_iou=0.8)
    assert tally == MatchCount(1, 3), "the first; the second is of another class, the third overlaps by half"
    assert tally.share == pytest.approx(1 / 3)


def test_each_box_is_used_once() -> None:
    twice, once = found([[0, 0, 10, 10], [0, 0, 10, 10]], [0, 0]), found([[0, 0, 10, 10]], [0])
    assert count_matches(twice, once, min_score=0, min_iou=0.8) == MatchCount(1, 2)


def test_nothing_to_find_and_nothing_found() -> None:
    nothing, one = found([], []), found([[0, 0, 10, 10]], [0])
    assert count_matches(nothing, one, min_score=0, min_iou=0.8) == MatchCount(0, 0)
    assert count_matches(one, nothing, min_score=0, min_iou=0.8) == MatchCount(0, 1)
    assert MatchCount().share == 1.0
    assert MatchCount(1, 2) + MatchCount(3, 4) == MatchCount(4, 6)


def test_only_confident_ones_are_looked_for() -> None:
    reference = found([[0, 0, 9, 9], [20, 20, 30, 30], [50, 50, 60, 60]], [0, 1, 0], [0.5, 0.4, 0.3])
    assert count_matches(reference, reference, min_score=0.4, min_iou=0.8) == MatchCount(2, 2)


def test_the_truth_of_a_image() -> None:
    scene = render_image(1, (96, 64))
    truth = scene_detections(scene)
    assert truth.boxes_xyxy.tolist() == [list(map(float, i.box_xyxy)) for i in scene.instances]
    assert count_matches(truth, truth, min_score=0.4, min_iou=0.99).share == 1.0


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
    heads: dict[str, np.ndarray] = {
        "b": np.array([[[[2, 4]]]], np.int32),
        "p": np.array([[[[1, -3]]]], np.int16),
        "c": np.ones((1, 1, 1, 2)),
    }
    floats = float_heads(heads, spec)
    assert floats["box_8"].ravel().tolist() == [1.0, 1.0]
    assert floats["proto_4"].ravel().tolist() == [2.0, -6.0]
    assert floats["class_8"].dtype == np.float32
