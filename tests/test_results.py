from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.results import Detections

BOXES = np.array([[1, 2, 3, 4]], np.float32)


def make(boxes: np.ndarray = BOXES, classes: tuple[int, ...] = (0,)) -> Detections:
    return Detections(boxes, np.array([0.5], np.float32), np.array(classes, np.int32), ("cat",), (10, 8), "bpu")


def test_columns_and_labels() -> None:
    results = make()
    assert len(results) == 1
    assert results.labels == ["cat"]
    assert results.to_dict() == {
        "device": "bpu",
        "simulated": False,
        "width": 10,
        "height": 8,
        "objects": [{"class_id": 0, "name": "cat", "score": 0.5, "box_xyxy": [1.0, 2.0, 3.0, 4.0]}],
    }


def test_columns_must_agree() -> None:
    with pytest.raises(ModelError, match="boxes_xyxy is \\(2, 4\\), expected \\(1, 4\\)"):
        make(np.zeros((2, 4), np.float32))
    with pytest.raises(ModelError, match="class_ids span 1..1, expected 0..0"):
        make(classes=(1,))
