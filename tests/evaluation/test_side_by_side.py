from __future__ import annotations

import numpy as np

from edgekit.evaluation.detection_diff import diff_detections
from edgekit.evaluation.side_by_side import GAP, MARK, side_by_side
from edgekit.results import Detections

GREY = np.full((300, 400, 3), 90, np.uint8)


def found(*rows: tuple[float, ...]) -> Detections:
    table = np.asarray(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32), ("cat", "dog"), (400, 300), "sim")


def marked(image: np.ndarray) -> np.ndarray:
    return np.asarray((image == MARK).all(axis=2))


def test_lost_is_marked_left_gained_and_moved_right() -> None:
    stays, lost, gained = (20, 20, 90, 90, 0.9, 0), (150, 40, 220, 120, 0.8, 1), (250, 180, 330, 250, 0.7, 1)
    moved, moved_to = (40, 150, 120, 250, 0.9, 0), (40, 150, 120, 228, 0.9, 0)
    a, b = found(stays, lost, moved), found(stays, gained, moved_to)
    change = diff_detections("x.jpg", a, b)
    image = side_by_side(GREY, a, b, change)
    assert image.shape == (300, 800 + GAP, 3) and (image[:, 400 : 400 + GAP] == 255).all()
    left, right = marked(image[:, :400]), marked(image[:, 400 + GAP :])
    assert left[40:120, 147].all() and not left[20:90, 17].any() and not left[150:250, 37].any()
    assert right[180:250, 247].all() and right[150:228, 37].all() and not right[20:90, 17].any()


def test_no_change_no_mark_and_a_box_at_the_edge_fits() -> None:
    same = found((0, 0, 400, 300, 0.9, 0))
    assert not marked(side_by_side(GREY, same, same, diff_detections("x.jpg", same, same))).any()
    nothing = found()
    image = side_by_side(GREY, same, nothing, diff_detections("x.jpg", same, nothing))
    assert marked(image[270:, :200]).any()  # the words stand inside the image
