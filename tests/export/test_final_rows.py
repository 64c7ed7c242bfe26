"""Selections inside the graph: nms=True exports are their twins without it, and the proof covers the final rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from edgekit.decode import DecodeOptions
from edgekit.errors import ModelError
from edgekit.export import cut_graph
from edgekit.ops.letterbox import Letterbox, letterbox_image
from edgekit.results import Detections
from edgekit.spec import ModelSpec
from tests.decode.scenes import decode
from tests.stock_rows import noise_image, run_onnx
from tests.tiny_yolo import tiny_yolo

SIZE = (96, 64)


def _whole_frame(spec: ModelSpec) -> Letterbox:
    return letterbox_image(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), spec.preprocess)[1]


def _own_rows(model: onnx.ModelProto, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    rows = np.asarray(run_onnx(model, image)["output0"][0], np.float32)
    return rows[rows[:, 4] > 0]


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
@pytest.mark.parametrize("opset", [11, 13, 18])
def test_an_export_with_nms_inside_is_the_one_to_many_model_of_its_twin(task: str, opset: int) -> None:
    with_nms, plain = (cut_graph(tiny_yolo(task=task, nms_iou=iou, opset=opset)) for iou in (0.7, 0.0))
    assert not with_nms.spec.end_to_end
    assert with_nms.spec == plain.spec
    image = noise_image(SIZE)
    ours, theirs = run_onnx(with_nms.model, image), run_onnx(plain.model, image)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("iou", [0.7, 0.3])
def test_the_objects_of_an_nms_export_are_its_own_final_rows(iou: float) -> None:
    model = tiny_yolo(nms_iou=iou)
    cut, image = cut_graph(model), noise_image(SIZE)
    own = _own_rows(model, image)
    options = DecodeOptions(iou_threshold=iou)
    found = decode(run_onnx(cut.model, image), cut.spec, _whole_frame(cut.spec), options)
    assert isinstance(found, Detections)
    assert len(own) == len(found) > 3
    np.testing.assert_allclose(found.scores, own[:, 4], atol=1e-5)
    assert np.array_equal(found.class_ids, own[:, 5])
    corners = np.clip(own[:, :4], 0, [*SIZE, *SIZE])
    np.testing.assert_allclose(found.boxes_xyxy, corners, atol=0.01)


def test_nms_across_classes_is_told() -> None:
    cut = cut_graph(tiny_yolo(nms_iou=0.5, agnostic_nms=True))
    assert not cut.spec.end_to_end
    assert any("across classes" in note for note in cut.spec.notes)


def test_nothing_else_is_told_of_a_usual_nms() -> None:
    cut = cut_graph(tiny_yolo(nms_iou=0.7))
    assert cut.spec.notes == ()
    assert "NMS" in cut.dropped[0]


def test_an_anonymous_nms_export_is_read_alike() -> None:
    cut = cut_graph(tiny_yolo(nms_iou=0.6, anonymous=True, metadata=False))
    assert not cut.spec.end_to_end


@pytest.mark.parametrize("family", ["yolov10", "yolo26"])
def test_a_one_to_one_export_stays_end_to_end(family: str) -> None:
    assert cut_graph(tiny_yolo(family=family, end_to_end=True, opset=13, anonymous=True)).spec.end_to_end


def test_final_rows_that_are_no_selection_of_ours_are_refused() -> None:
    model = tiny_yolo(nms_iou=0.7)
    last = model.graph.node[-1]
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1.01), "gain"))
    last.output[0] = "rows"
    model.graph.node.append(onnx.helper.make_node("Mul", ["rows", "gain"], ["output0"], "stretched"))
    with pytest.raises(ModelError, match="final rows 'output0'") as caught:
        cut_graph(model)
    assert "nms=False" in caught.value.hint
