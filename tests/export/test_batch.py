"""Exports for several images at once, cut to one; and sizes that are open, taken from what the export says."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgekit.errors import ModelError
from edgekit.export import CutOptions, cut_graph
from edgekit.export.batch import first_image
from edgekit.export.prepare import fix_input
from tests.stock_rows import noise_image, run_onnx
from tests.tiny_yolo import tiny_yolo

SIZE = (96, 64)


@pytest.mark.parametrize("batch", [2, 4, 8])
@pytest.mark.parametrize(
    ("family", "task", "more"),
    [
        ("yolov8", "detect", {}),
        ("yolo11", "segment", {"opset": 13}),
        ("yolo26", "pose", {"end_to_end": True, "opset": 17}),
        ("yolov5", "detect", {}),
        ("yolo12", "obb", {}),
        ("yolov8", "classify", {}),
    ],
)
def test_a_batch_is_cut_to_the_heads_of_its_twin_for_one_image(
    family: str, task: str, more: dict[str, int], batch: int
) -> None:
    many = cut_graph(tiny_yolo(family=family, task=task, batch=batch, **more))  # type: ignore[arg-type]
    one = cut_graph(tiny_yolo(family=family, task=task, **more))  # type: ignore[arg-type]
    assert many.spec.outputs == one.spec.outputs
    assert many.spec.end_to_end == one.spec.end_to_end
    assert f"exported for {batch} images at once; cut to one" in many.spec.notes
    image = noise_image(SIZE)
    found, expected = run_onnx(many.model, image), run_onnx(one.model, image)
    for name, values in expected.items():
        assert found[name].shape == values.shape
        np.testing.assert_allclose(found[name], values, atol=1e-4 * max(1, np.abs(values).max()))


def test_images_that_depend_on_each_other_are_refused() -> None:
    model = tiny_yolo(batch=2)
    last = model.graph.node[-1]
    last.output[0] = "rows"
    model.graph.node.append(onnx.helper.make_node("ReduceMean", ["rows"], ["mean"], axes=[0], keepdims=1))
    model.graph.node.append(onnx.helper.make_node("Sub", ["rows", "mean"], ["output0"]))
    with pytest.raises(ModelError, match="batch 2 cannot be made 1"):
        first_image(model, 2)


def test_an_open_size_is_that_of_the_metadata_and_said() -> None:
    cut = cut_graph(tiny_yolo(batch="batch", dynamic_size=True))
    assert cut.spec.preprocess.size_wh == SIZE
    assert any("64,96" in note and "imgsz" in note for note in cut.spec.notes)


def test_an_open_size_is_what_is_asked_for_first() -> None:
    cut = cut_graph(tiny_yolo(dynamic_size=True, task="classify"), CutOptions(imgsz_hw=(32, 64)))
    assert cut.spec.preprocess.size_wh == (64, 32)
    assert not any("imgsz" in note for note in cut.spec.notes)


def test_an_open_size_that_nothing_says_is_asked_for() -> None:
    with pytest.raises(ModelError, match="open height or width") as caught:
        cut_graph(tiny_yolo(dynamic_size=True, metadata=False))
    assert "--imgsz" in caught.value.hint


@pytest.mark.parametrize("side", [1 << 20, -4])
def test_a_side_out_of_reach_is_refused(side: int) -> None:
    model = tiny_yolo()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = side
    with pytest.raises(ModelError, match="expected sides of 1 to 16384"):
        fix_input(model, None)
