"""Every task's results drawn, as labels, as COCO rows and as another library's type."""

from __future__ import annotations

import json
import sys
import types
from typing import Any, cast

import numpy as np
import pytest

from edgekit.errors import ConfigError, DeviceError
from edgekit.labels import COCO_KEYPOINTS, COCO_SKELETON, class_color_bgr
from edgekit.ops.letterbox import letterbox_of
from edgekit.ops.masks import instance_masks
from edgekit.ops.rotated import enclosing_boxes
from edgekit.output.labels_txt import dota_txt, yolo_scores_txt, yolo_txt
from edgekit.results import Classifications, Detections, Poses, Results, RotatedDetections, Segmentations
from edgekit.spec import Preprocess

IMAGE = np.full((200, 300, 3), 128, np.uint8)
BOXES = np.array([[60, 50, 180, 150]], np.float32)
COLUMNS = (np.array([0.9], np.float32), np.array([1], np.int32), ("cat", "sea lion"), (300, 200), "bpu")


def segmentations() -> Segmentations:
    box = letterbox_of((300, 200), Preprocess(320, 320))
    proto = np.full((80, 80, 1), 1.0, np.float32)
    masks = instance_masks(np.ones((1, 1), np.float32), proto, box.apply_boxes(BOXES), BOXES, box)
    return Segmentations(BOXES, *COLUMNS, masks)


def poses(points: int = 17) -> Poses:
    xy = np.stack([np.linspace(70, 170, points), np.linspace(60, 140, points)], axis=1)[None].astype(np.float32)
    seen = np.ones((1, points), np.float32)
    seen[0, 0] = 0.1
    return Poses(BOXES, *COLUMNS, xy, seen)


def rotated() -> RotatedDetections:
    boxes = np.array([[150, 100, 80, 40, 0.5]], np.float32)
    return RotatedDetections(enclosing_boxes(boxes), *COLUMNS, boxes)


def classifications() -> Classifications:
    return Classifications(np.array([0.25, 0.75], np.float32), ("cat", "sea lion"), (300, 200), "bpu")


ALL_RESULTS = [Detections(BOXES, *COLUMNS), segmentations(), poses(), poses(5), rotated(), classifications()]


@pytest.mark.parametrize("results", ALL_RESULTS, ids=lambda r: type(r).__name__)
def test_every_kind_is_drawn_and_told_as_json(results: Results) -> None:
    before = IMAGE.copy()
    drawn = results.draw(IMAGE)
    assert (drawn != IMAGE).any()
    np.testing.assert_array_equal(IMAGE, before)
    json.dumps(results.to_dict())


def test_unseen_points_are_not_drawn() -> None:
    drawn = poses(5).draw(IMAGE)
    seen, unseen = (np.rint(poses(5).keypoints_xy[0, i]).astype(int) for i in (2, 0))
    assert tuple(drawn[seen[1], seen[0]]) == class_color_bgr(2)
    assert (drawn[unseen[1] + 3, unseen[0] + 3] == 128).all()


def test_points_far_outside_do_not_break_drawing() -> None:
    far = poses()
    far.keypoints_xy[0, 3] = (1e9, -1e9)
    far.keypoints_xy[0, 4] = (-4e4, 7e4)
    far.draw(IMAGE)


def test_a_rotated_box_stands_on_its_corners() -> None:
    drawn = rotated().draw(IMAGE)
    middle = rotated().corners_xy[0][1:3].mean(axis=0)  # of the right edge, away from the caption
    assert (drawn[round(float(middle[1])), round(float(middle[0]))] != 128).any()
    assert (drawn[100, 150] == 128).all()


def test_the_skeleton_fits_the_points() -> None:
    assert len(COCO_KEYPOINTS) == 17
    assert {i for bone in COCO_SKELETON for i in bone} == set(range(17))


def test_yolo_lines_as_training_reads_them_have_no_score() -> None:
    assert yolo_txt(Detections(BOXES, *COLUMNS)) == "1 0.400000 0.500000 0.400000 0.500000\n"
    corners = yolo_txt(rotated()).split()
    assert len(corners) == 1 + 8
    np.testing.assert_allclose(
        np.reshape([float(v) for v in corners[1:]], (4, 2)) * (300, 200), rotated().corners_xy[0], atol=1e-3
    )
    outline = [float(v) for v in yolo_txt(segmentations()).split()[1:]]
    assert len(outline) % 2 == 0
    assert min(outline[::2]) == pytest.approx(60 / 300, abs=0.01)
    assert max(outline[1::2]) == pytest.approx(150 / 200, abs=0.01)
    assert yolo_txt(classifications()).splitlines()[0] == "0.7500 sea lion"


def test_yolo_lines_stay_within_the_image_and_points_are_seen_or_not() -> None:
    some = poses(5)
    some.keypoints_xy[0, 1] = (-20, 80)
    values = [float(v) for v in yolo_txt(some).split()]
    assert len(values) == 1 + 4 + 5 * 3
    points = np.reshape(values[5:], (5, 3))
    assert points[:, 2].tolist() == [0, 0, 2, 2, 2]  # the first is hardly seen, the second outside
    assert not points[:2].any()
    np.testing.assert_allclose(points[2:, :2] * (300, 200), some.keypoints_xy[0, 2:], atol=1e-3)
    boxes = np.array([[10, 10, 80, 40, 0.5]], np.float32)
    corner = RotatedDetections(enclosing_boxes(boxes), *COLUMNS, boxes)
    shares = [float(v) for v in yolo_txt(corner).split()[1:]]
    assert min(shares) == 0
    assert max(shares) < 1


def test_a_mask_too_small_for_an_outline_gives_the_box_of_its_pixels() -> None:
    box = letterbox_of((300, 200), Preprocess(320, 320))
    boxes = np.array([[60, 50, 62, 51]], np.float32)
    proto = np.full((80, 80, 1), 1.0, np.float32)
    masks = instance_masks(np.ones((1, 1), np.float32), proto, box.apply_boxes(boxes), boxes, box)
    assert (np.asarray(masks)[0].sum(), masks.polygons(0)) == (2, [])
    values = np.reshape([float(v) for v in yolo_txt(Segmentations(boxes, *COLUMNS, masks)).split()[1:]], (4, 2))
    np.testing.assert_allclose(values * (300, 200), [[60, 50], [62, 50], [62, 51], [60, 51]], atol=1e-3)


def test_yolo_lines_with_scores_end_in_the_score() -> None:
    assert yolo_scores_txt(Detections(BOXES, *COLUMNS)) == "1 0.400000 0.500000 0.400000 0.500000 0.900000\n"
    for results in (rotated(), segmentations(), poses()):
        plain, scored = yolo_txt(results).split(), yolo_scores_txt(results).split()
        assert (len(scored), scored[-1]) == (len(plain) + 1, "0.900000")
    assert yolo_scores_txt(poses()).split()[7] == "0.100000"


def test_dota_lines_are_for_rotated_boxes() -> None:
    *numbers, name, difficulty = dota_txt(rotated()).split()
    np.testing.assert_allclose([float(v) for v in numbers], rotated().corners_xy[0].ravel(), atol=0.06)
    assert (name, difficulty) == ("sea-lion", "0")
    with pytest.raises(ConfigError, match="rotated"):
        dota_txt(poses())


def test_empty_results_are_empty_everywhere() -> None:
    none = Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), ("a",), (300, 200), "bpu"
    )
    assert yolo_txt(none) == ""
    assert none.to_coco(1) == []


def test_supervision_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.SimpleNamespace(Detections=lambda **columns: columns, Classifications=lambda **columns: columns)
    monkeypatch.setitem(sys.modules, "supervision", fake)  # type: ignore[arg-type]
    turned = rotated().to_supervision()
    assert turned["xyxy"] is not None
    assert turned["data"]["xyxyxyxy"].shape == (1, 4, 2)
    assert turned["data"]["class_name"].tolist() == ["sea lion"]
    assert segmentations().to_supervision()["mask"].shape == (1, 200, 300)
    assert poses().to_supervision()["data"]["keypoints_xy"].shape == (1, 17, 2)
    assert classifications().to_supervision()["class_id"].tolist() == [1, 0]


def test_supervision_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(DeviceError, match="not installed"):
        rotated().to_supervision()


def test_the_real_supervision_takes_them() -> None:
    supervision = pytest.importorskip("supervision")
    for results in ALL_RESULTS[:-1]:
        assert isinstance(cast(Any, results).to_supervision(), supervision.Detections)


def test_the_top_classes_stand_below_each_other() -> None:
    drawn = classifications().draw(IMAGE)
    column = [tuple(int(v) for v in pixel) for pixel in drawn[:40, 0]]
    best, second = class_color_bgr(1), class_color_bgr(0)
    assert column[0] == best
    assert column.index(second) == column.count(best) > 5
