from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgekit
from edgekit.decode.plan import DecodeOptions
from edgekit.errors import UnfitError
from edgekit.evaluation.bench.batches import measure_batches, open_batched, with_batch
from edgekit.export import cut_graph
from edgekit.graph.onnx_graph import open_session
from tests.images import scene
from tests.tiny_yolo import save_tiny_yolo, tiny_yolo

OPTIONS = DecodeOptions(0.25, 0.7)


@pytest.mark.parametrize("family", ["yolov8", "yolo11"])
def test_each_image_of_a_batch_gets_what_it_gets_alone(family: str) -> None:
    """YOLO11 has attention, whose Reshapes spell the batch out."""
    cut = cut_graph(tiny_yolo(family=family))
    name = cut.spec.input.name
    width, height = cut.spec.preprocess.size_wh
    images = np.random.default_rng(0).random((3, 3, height, width), np.float32)
    together = open_session(with_batch(cut.model, 3))({name: images})
    for i in range(3):
        for tensor, value in open_session(cut.model)({name: images[i : i + 1]}).items():
            np.testing.assert_allclose(together[tensor][i : i + 1], value, atol=1e-3)


def test_a_measured_batch_finds_what_single_images_have(tmp_path: Path) -> None:
    path = save_tiny_yolo(tmp_path / "m.onnx", family="yolov8", task="segment")
    images = [scene(seed) for seed in range(3)]
    batched = open_batched(path, "cpu", batch=2, options=OPTIONS, threads=1)
    run = measure_batches(batched, images, frames=6, warmup=0)
    session = edgekit.load(path)
    expected = np.mean([len(session.predict(image)) for image in images])
    assert run.frames == 6 and run.objects_per_frame == pytest.approx(expected, abs=1)
    assert run.total.p50 >= max(run.stages[stage].p50 for stage in run.stages) > 0
    assert measure_batches(batched, images, frames=1, warmup=3).frames == 4  # two batches at least


def test_what_is_compiled_or_mixes_images_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UnfitError, match="is compiled for one image, expected a batch of 4"):
        open_batched(tmp_path / "m.bin", "auto", batch=4, options=OPTIONS)
    cut = cut_graph(tiny_yolo(family="yolov8"))
    head = cut.model.graph.output[0]
    mean = helper.make_node("ReduceMean", [head.name], ["mixed"], axes=[0], keepdims=1)
    added = helper.make_node("Add", [head.name, "mixed"], ["sum"])
    cut.model.graph.node.extend([mean, added])
    cut.model.graph.output.append(
        helper.make_tensor_value_info("sum", TensorProto.FLOAT, list(cut.spec.outputs[0].shape))
    )
    path = tmp_path / "mixed.onnx"
    onnx.save(cut.model, str(path))
    from edgekit.evaluation.bench import batches

    with pytest.raises(UnfitError, match="mixed.onnx does not take several images"):
        batches._prove(onnx.load(str(path)), path.name)


def test_constants_that_are_no_batch_stay() -> None:
    shape = numpy_helper.from_array(np.asarray([-1, 3], np.int64), "shape")
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])]
    model = helper.make_model(helper.make_graph([node], "g", inputs, outputs, [shape]))
    assert list(with_batch(model, 4).graph.node[0].input) == ["x", "shape"]
