"""What the experiments on a tail find: roles by columns, anchors, key points, the family's formulas."""

from __future__ import annotations

import onnx
import pytest

from edgekit.errors import ModelError
from edgekit.export.head_analysis import read_branch
from edgekit.export.head_location import find_branches
from edgekit.export.head_roles import Tail, find_roles, open_tail
from edgekit.export.metadata import Metadata, read_metadata
from edgekit.graph.onnx_graph import index_graph
from tests.tiny_yolo import ANCHORS, tiny_yolo

SIZE = (96, 64)


def _tail(model: onnx.ModelProto) -> Tail:
    index = index_graph(model)
    return open_tail(index.model, find_branches(index, SIZE)[0])


def test_roles_columns_and_rows() -> None:
    roles = find_roles(_tail(tiny_yolo(task="obb", num_classes=2, anonymous=True)), has_proto=False)
    found = {(r.role, r.map.stride): (r.columns, r.first_row) for r in roles}
    assert found["box", 8] == ((0, 1, 2, 3), 0)
    assert found["class", 16] == ((4, 5), 96)
    assert found["angle", 32] == ((0, 1, 6), 120)


@pytest.mark.parametrize(
    ("family", "task", "measured"),
    [("yolo26", "pose", "yolo26"), ("yolo26", "obb", "yolo26"), ("yolo26", "detect", "yolo26"),
     ("yolo11", "pose", "yolov8"), ("yolov9", "detect", "yolov8"), ("yolov5", "segment", "yolov5")],
)  # fmt: skip
def test_an_unnamed_family_is_told_by_its_formulas(family: str, task: str, measured: str) -> None:
    model = tiny_yolo(family=family, task=task, metadata=False)
    reading = read_branch(_tail(model), Metadata(), has_proto=task == "segment")
    assert (reading.family, reading.task) == (measured, task)
    assert (family == "yolov5") or any("family" in note for note in reading.notes)


def test_a_named_family_whose_formulas_are_anothers_is_not_believed() -> None:
    model = tiny_yolo(family="yolo26", task="pose")
    next(p for p in model.metadata_props if p.key == "description").value = "Ultralytics YOLOv8n-pose model"
    reading = read_branch(_tail(model), read_metadata(model), has_proto=False)
    assert reading.family == "yolo26"
    assert "calls itself yolov8" in reading.notes[0]


def test_anchors_are_read_from_the_constants() -> None:
    reading = read_branch(_tail(tiny_yolo(family="yolov5")), Metadata(), has_proto=False)
    assert reading.anchors == tuple(tuple((float(w), float(h)) for w, h in level) for level in ANCHORS[:3])


@pytest.mark.parametrize("shape", [(17, 3), (4, 2), (6, 2), (1, 3)])
def test_key_points_have_two_or_three_numbers(shape: tuple[int, int]) -> None:
    model = tiny_yolo(task="pose", keypoint_shape=shape, metadata=False)
    assert read_branch(_tail(model), Metadata(), has_proto=False).keypoint_shape == shape


def test_metadata_of_another_model_is_refused() -> None:
    tail = _tail(tiny_yolo(task="pose"))
    with pytest.raises(ModelError, match="'detect'"):
        read_branch(tail, Metadata(task="detect"), has_proto=False)
    with pytest.raises(ModelError, match="5 classes"):
        read_branch(tail, Metadata(names=tuple("abcde")), has_proto=False)
