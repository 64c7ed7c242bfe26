"""What a model file is, from the file itself and from the sidecar beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.compilation.describe import describe_model
from edgekit.errors import ModelError
from edgekit.export import cut_model
from edgekit.spec import load_spec, save_spec, sidecar_path
from tests.tiny_yolo import save_tiny_yolo

NV12 = "horizon/yolov8n_seg_nv12/yolov8n_seg_bayese_640x640_nv12_quantized_model.onnx"
RGB = "horizon/yolov8n_seg_rgb/yolov8n_seg_bayese_640x640_nchw_quantized_model.onnx"
ROLES = {"451": "mask", "459": "mask", "467": "mask", "475": "box", "483": "box", "491": "box",
         "499": "class", "507": "class", "515": "class", "443": "proto"}  # fmt: skip


def test_stock_exports_are_described_by_the_heads_inside(tmp_path: Path) -> None:
    spec = describe_model(save_tiny_yolo(tmp_path / "m.onnx", task="segment"))
    assert (spec.stage, spec.task, spec.family, spec.strides) == ("stock", "segment", "yolov8", (8, 16, 32))
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_heads_without_a_sidecar_are_recognised(tmp_path: Path) -> None:
    cut = cut_model(save_tiny_yolo(tmp_path / "m.onnx", task="segment"), tmp_path / "h.onnx")
    sidecar_path(tmp_path / "h.onnx").unlink()
    spec = describe_model(tmp_path / "h.onnx")
    assert spec.outputs == cut.outputs
    assert spec.stage == "heads"


def test_a_fitting_sidecar_wins(tmp_path: Path) -> None:
    cut_model(save_tiny_yolo(tmp_path / "m.onnx"), tmp_path / "h.onnx")
    sidecar = sidecar_path(tmp_path / "h.onnx")
    named = replace(load_spec(sidecar), names=("x", "y", "z"))
    save_spec(sidecar, named)
    assert describe_model(tmp_path / "h.onnx") == named


def test_a_sidecar_that_contradicts_the_model_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "h.onnx"
    cut_model(save_tiny_yolo(tmp_path / "m.onnx"), out)
    spec = load_spec(sidecar_path(out))
    other_size = replace(spec, preprocess=replace(spec.preprocess, width=640, height=640))
    other_shape = replace(spec, outputs=(replace(spec.outputs[0], shape=(1, 8, 12, 4)), *spec.outputs[1:]))
    other_name = replace(spec, outputs=(replace(spec.outputs[0], name="boxes"), *spec.outputs[1:]))
    other_input = replace(spec, input=replace(spec.input, name="data"))
    for wrong, told in (
        (other_size, "640x640"),
        (other_shape, "box_8"),
        (other_name, "'boxes'"),
        (other_input, "'data'"),
        (replace(spec, names=("a", "b")), "2 class names"),
    ):
        save_spec(sidecar_path(out), wrong)
        with pytest.raises(ModelError, match=told):
            describe_model(out)


def _rename_outputs(path: Path, *, nchw: bool) -> Path:
    """The heads as others cut them: outputs called 475, 483, ... or (nchw) before their Transpose."""
    model = onnx.load(path)
    graph = model.graph
    names = {o.name: str(400 + i) for i, o in enumerate(graph.output)}
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(v, v) for v in values]
    for output in graph.output:
        output.name = names[output.name]
    if nchw:
        tails = {n.output[0]: n for n in graph.node if n.output[0] in names.values()}
        for output in graph.output:
            node = tails[output.name]
            _, h, w, c = (d.dim_value for d in output.type.tensor_type.shape.dim)
            graph.node.remove(node)
            output.CopyFrom(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, [1, c, h, w]))
    onnx.save(model, str(path))
    sidecar_path(path).unlink()
    return path


@pytest.mark.parametrize("nchw", [False, True])
@pytest.mark.parametrize("metadata", [False, True])
def test_heads_that_others_cut(tmp_path: Path, nchw: bool, metadata: bool) -> None:
    """Node names still say cv2, cv3, cv4: 64 classes beside 64 box channels are told apart by them."""
    stock = save_tiny_yolo(tmp_path / "m.onnx", task="segment", num_classes=64, metadata=metadata)
    cut = cut_model(stock, tmp_path / "h.onnx")
    spec = describe_model(_rename_outputs(tmp_path / "h.onnx", nchw=nchw))
    assert [h.role for h in spec.outputs] == [h.role for h in cut.outputs]
    assert [h.shape for h in spec.outputs] == [h.shape for h in cut.outputs]
    assert any("NCHW" in note for note in spec.notes) == nchw
    again = cut_model(tmp_path / "h.onnx", tmp_path / "again.onnx")
    assert again.outputs == cut.outputs


def test_heads_without_names_are_ambiguous_at_64_classes(tmp_path: Path) -> None:
    stock = save_tiny_yolo(tmp_path / "m.onnx", num_classes=64, anonymous=True, metadata=False)
    cut_model(stock, tmp_path / "h.onnx")
    with pytest.raises(ModelError, match="ambiguous"):
        describe_model(_rename_outputs(tmp_path / "h.onnx", nchw=False))


@pytest.mark.parametrize(("name", "kind", "layout"), [(NV12, "nv12", "NHWC"), (RGB, "rgb", "NCHW")])
def test_really_compiled_graphs(shared_data: Path, name: str, kind: str, layout: str) -> None:
    spec = describe_model(shared_data / name)
    assert {h.name: h.role for h in spec.outputs} == ROLES
    assert (spec.stage, spec.task, spec.input.kind, spec.input.layout) == ("quantized", "segment", kind, layout)
    assert {h.dtype for h in spec.outputs} == {"float32"}
    raw = describe_model(shared_data / name, raw_outputs=True)
    assert {h.name: (h.dtype, len(h.scale)) for h in raw.outputs if h.role in ("box", "proto")} == {
        **dict.fromkeys(("475", "483", "491"), ("int32", 64)),
        "443": ("int16", 1),
    }


def test_an_unknown_input_type_of_a_quantized_graph_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("HzSQuantizedPreprocess", ["x"], ["y"], "p", domain="horizon", input_type="CMYK_128")
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.INT8, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 8, 64])],
        [numpy_helper.from_array(np.zeros(1, np.float32), "unused")],
    )
    opsets = [helper.make_opsetid("", 11), helper.make_opsetid("horizon", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), str(tmp_path / "q.onnx"))
    with pytest.raises(ModelError, match="CMYK_128"):
        describe_model(tmp_path / "q.onnx")
