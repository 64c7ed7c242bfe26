from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.evaluation.classes import ClassMap
from edgekit.evaluation.detections import ImageDetections
from edgekit.evaluation.labels import ImageEntry, Labels
from edgekit.evaluation.precision import mean_precision
from edgekit.evaluation.rotated import greedy_hits, match_rotated, outline_to_xywhr
from edgekit.ops.rotated import rotated_corners, rotated_iou

BOXES = np.asarray([[50, 50, 40, 20, 0.5], [120, 80, 60, 10, 2.0], [60, 120, 30, 30, 0.0]], np.float32)


def test_an_outline_is_the_box_it_came_from() -> None:
    for box in BOXES:
        corners = rotated_corners(box[None])[0]
        again = outline_to_xywhr(corners.ravel().tolist())
        assert again[:2] == pytest.approx(box[:2], abs=1e-3)
        assert math.prod(again[2:4]) == pytest.approx(math.prod(box[2:4]), rel=1e-4)
        assert rotated_iou(box[None], again[None])[0, 0] > 0.99


def test_hits_are_taken_in_turn_and_once() -> None:
    overlaps = np.asarray([[0.55, 0.96], [0.0, 0.9], [0.8, 0.0]], np.float32)
    hits = greedy_hits(overlaps)
    assert hits[0].tolist() == [True, False, True]  # at 0.5 the second finds its object taken
    assert hits[-1].tolist() == [True, False, False]  # at 0.95
    assert greedy_hits(np.zeros((2, 0), np.float32)).shape == (10, 2)


def truth_and_found() -> tuple[Labels, list[ImageDetections], ClassMap]:
    labels = [
        {"id": i, "image_id": 1, "category_id": 4, "bbox": [0, 0, 1, 1], "segmentation": [corners.ravel().tolist()]}
        for i, corners in enumerate(rotated_corners(BOXES), 1)
    ]
    truth = Labels((ImageEntry(1, Path("a")), ImageEntry(2, Path("b"))), tuple(labels), ((4, "ship"),), {})
    one = ImageDetections(
        1, (200, 200), BOXES[:, :4], np.asarray([0.9, 0.8, 0.7], np.float32), np.zeros(3, np.int32), rotated_xywhr=BOXES
    )
    none = np.zeros((0, 4), np.float32)
    empty = ImageDetections(
        2, (200, 200), none, none[:, 0], none[:, 0].astype(np.int32), rotated_xywhr=np.zeros((0, 5), np.float32)
    )
    return truth, [one, empty], ClassMap({0: 4}, {4: "ship"})


def test_perfect_detections_score_one_and_turned_ones_less() -> None:
    truth, found, classes = truth_and_found()
    matches = match_rotated(truth, found, classes)
    assert matches.objects == {4: 3}
    assert mean_precision(matches.by_area["all"], np.ones((1, 2)))[0] == pytest.approx(1)
    turned = BOXES + np.asarray([0, 0, 0, 0, 0.6], np.float32)
    worse = match_rotated(truth, [replace(found[0], rotated_xywhr=turned), found[1]], classes)
    assert mean_precision(worse.by_area["all"], np.ones((1, 2)))[0] < 0.7


def test_an_upright_label_is_a_box_with_no_angle() -> None:
    truth, found, classes = truth_and_found()
    upright = {"id": 1, "image_id": 1, "category_id": 4, "bbox": [45, 105, 30, 30]}
    matches = match_rotated(replace(truth, annotations=(upright,)), found, classes)
    assert matches.by_area["all"][4].hit.any()
