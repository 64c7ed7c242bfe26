"""Q/DQ exports: cut as their float twins are, with thresholds and weight grids from their nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export import cut_graph
from edgekit.export.qdq import holds_qdq, remove_qdq
from edgekit.graph.declared_quantization import (
    NOTHING_DECLARED,
    PROPERTY,
    DeclaredQuantization,
    declare,
    read_declared,
)
from tests.qdq_twins import qdq_twin
from tests.stock_rows import noise_image, run_onnx
from tests.tiny_maps import save_tiny_map, tiny_depth, tiny_semantic
from tests.tiny_yolo import save_tiny_yolo


def pair_graph(*, low: int, dtype: type[np.integer] = np.int8, relu: bool = False) -> onnx.ModelProto:
    """Conv [Relu] Q DQ Conv; the zero point of the activation's pair is `low`."""
    rng = np.random.default_rng(3)
    weights = rng.integers(-127, 128, (4, 3, 1, 1)).astype(np.int8)
    constants = {
        "x_scale": np.float32(1 / 255), "x_zero": np.uint8(0), "w": weights,
        "w_scale": np.array([0.01, 0.02, 0.03, 0.04], np.float32), "w_zero": np.zeros(4, np.int8),
        "b": np.array([100, -50, 20, 7], np.int32),
        "b_scale": np.float32(0.001),
        "y_scale": np.float32(0.05), "y_zero": dtype(low), "v": np.ones((2, 4, 1, 1), np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["images", "x_scale", "x_zero"], ["xq"], "q_image"),
        helper.make_node("DequantizeLinear", ["xq", "x_scale", "x_zero"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["wd"], axis=0),
        helper.make_node("DequantizeLinear", ["b", "b_scale"], ["bd"]),
        helper.make_node("Conv", ["xd", "wd", "bd"], ["y0" if relu else "y"], "conv"),
        *([helper.make_node("Relu", ["y0"], ["y"], "relu")] if relu else []),
        helper.make_node("QuantizeLinear", ["y", "y_scale", "y_zero"], ["yq"], "q_y"),
        helper.make_node("DequantizeLinear", ["yq", "y_scale", "y_zero"], ["yd"]),
        helper.make_node("Conv", ["yd", "v"], ["out"], "last"),
    ]
    graph = helper.make_graph(
        nodes,
        "pairs",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 4, 6])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 2, 4, 6])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_thresholds_and_grids_are_what_the_pairs_say() -> None:
    plain, declared = remove_qdq(pair_graph(low=0))
    assert [node.op_type for node in plain.graph.node] == ["Conv", "Conv"]
    assert declared.thresholds == {"y": pytest.approx(127 * 0.05)}
    assert declared.weight_scales == {"wd": pytest.approx((0.01, 0.02, 0.03, 0.04))}
    weights = {i.name: numpy_helper.to_array(i) for i in plain.graph.initializer}
    np.testing.assert_allclose(weights["bd"], [0.1, -0.05, 0.02, 0.007], rtol=1e-6)
    grid = declared.grid("wd", weights["wd"], axis=0)
    assert grid is not None and np.abs(weights["wd"] / grid.reshape(4, 1, 1, 1)).max() <= 127.001


@pytest.mark.parametrize(
    ("dtype", "zero", "threshold"),
    [(np.uint8, 128, 6.4), (np.uint8, 20, 235 * 0.05), (np.int8, -100, 227 * 0.05), (np.int16, 0, 32767 * 0.05)],
)
def test_a_zero_point_widens_the_threshold_to_the_larger_side(
    dtype: type[np.integer], zero: int, threshold: float
) -> None:
    _, declared = remove_qdq(pair_graph(low=zero, dtype=dtype))
    assert declared.thresholds["y"] == pytest.approx(threshold)


@pytest.mark.parametrize("relu", [False, True])
def test_a_pair_that_cuts_off_at_zero_leaves_one_relu(relu: bool) -> None:
    plain, _ = remove_qdq(pair_graph(low=-128, relu=relu))
    assert [node.op_type for node in plain.graph.node] == ["Conv", "Relu", "Conv"]
    image = np.random.default_rng(0).random((1, 3, 4, 6), np.float32)
    paired, alone = run_onnx(pair_graph(low=-128, relu=relu), image), run_onnx(plain, image)
    assert np.abs(paired["out"] - alone["out"]).max() < 4 * 0.05  # four channels, half a step each, and the image's


@pytest.mark.parametrize(("family", "task"), [("yolov8", "segment"), ("yolo11", "detect"), ("yolov5", "detect")])
@pytest.mark.parametrize(("per_channel", "symmetric"), [(True, True), (False, False)])
def test_a_quantized_twin_is_cut_like_its_float_model(
    tmp_path: Path, family: str, task: str, per_channel: bool, symmetric: bool
) -> None:
    path = save_tiny_yolo(tmp_path / "stock.onnx", family=family, task=task, opset=13)
    twin, stock = cut_graph(qdq_twin(path, per_channel=per_channel, symmetric=symmetric)), cut_graph(onnx.load(path))
    assert not holds_qdq(twin.model) and not read_declared(stock.model)
    assert [head.key for head in twin.spec.outputs] == [head.key for head in stock.spec.outputs]
    assert (twin.spec.task, twin.spec.reg_max) == (stock.spec.task, stock.spec.reg_max)
    declared = read_declared(twin.model)
    made = {name for node in twin.model.graph.node for name in node.output}
    assert set(declared.thresholds) <= made and len(declared.thresholds) > 20
    convolutions = [node for node in twin.model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    weights = {node.input[1] for node in convolutions}
    assert {name for name in weights if not name.endswith("_ones")} == set(declared.weight_scales)  # those of sums
    assert any("Q/DQ" in note for note in twin.spec.notes)
    image = noise_image((96, 64))
    heads, expected = run_onnx(twin.model, image), run_onnx(stock.model, image)
    for name, values in expected.items():
        cosine = float(np.vdot(heads[name], values) / np.linalg.norm(heads[name]) / np.linalg.norm(values))
        assert cosine > 0.98, name  # int8 weights of random networks; wrong scales are far below


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_quantized_classifier_is_cut_before_its_softmax(tmp_path: Path, symmetric: bool) -> None:
    path = save_tiny_yolo(tmp_path / "stock.onnx", family="yolo26", task="classify", opset=13)
    twin, stock = cut_graph(qdq_twin(path, symmetric=symmetric)), cut_graph(onnx.load(path))
    assert twin.spec.task == "classify" and not any(node.op_type == "Softmax" for node in twin.model.graph.node)
    image = noise_image((96, 64))
    heads, expected = run_onnx(twin.model, image)["class"], run_onnx(stock.model, image)["class"]
    assert float(np.vdot(heads, expected) / np.linalg.norm(heads) / np.linalg.norm(expected)) > 0.98


@pytest.mark.parametrize("task", ["semantic", "depth"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_quantized_map_is_cut_as_its_float_model(tmp_path: Path, task: str, symmetric: bool) -> None:
    model = tiny_semantic(opset=13) if task == "semantic" else tiny_depth(ultralytics=True, opset=13)
    path = save_tiny_map(tmp_path / "stock.onnx", model)
    twin, stock = cut_graph(qdq_twin(path, symmetric=symmetric)), cut_graph(model)
    assert [head.key for head in twin.spec.outputs] == [head.key for head in stock.spec.outputs]
    assert read_declared(twin.model).thresholds


def test_bounds_stand_behind_convolutions_in_front_of_their_activations(tmp_path: Path) -> None:
    path = save_tiny_yolo(tmp_path / "stock.onnx", opset=13)
    cut = cut_graph(qdq_twin(path)).model
    constants = {i.name: float(numpy_helper.to_array(i)) for i in cut.graph.initializer if not i.dims}
    makers = {name: node for node in cut.graph.node for name in node.output}
    clips = [node for node in cut.graph.node if node.op_type == "Clip"]
    thresholds = read_declared(cut).thresholds
    assert len(clips) > 10
    for clip in clips:
        assert makers[clip.input[0]].op_type == "Conv"
        low, high = (constants[name] for name in clip.input[1:])
        assert -low == high == pytest.approx(thresholds[clip.output[0]])


def test_decoder_constants_that_were_rounded_are_restored(tmp_path: Path) -> None:
    """Anchor points, strides and DFL bins: the proof of the cut would fail by pixels otherwise."""
    path = save_tiny_yolo(tmp_path / "stock.onnx", opset=13, size_wh=(320, 256))
    assert cut_graph(qdq_twin(path, per_channel=False, symmetric=False)).spec.reg_max == 16


def test_operations_on_integers_are_refused_by_name(tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantFormat, quantize_static

    from tests.qdq_twins import NoiseReader

    path = save_tiny_yolo(tmp_path / "stock.onnx", opset=13)
    quantize_static(
        str(path), str(tmp_path / "op.onnx"), NoiseReader(onnx.load(path)), quant_format=QuantFormat.QOperator
    )
    with pytest.raises(ModelError, match="computes on integers") as error:
        cut_graph(onnx.load(tmp_path / "op.onnx"))
    assert "QuantFormat.QDQ" in (error.value.hint or "")


def test_a_computed_scale_is_refused() -> None:
    model = pair_graph(low=0)
    model.graph.node.insert(0, helper.make_node("ReduceMax", ["images"], ["peak"], keepdims=0))
    next(node for node in model.graph.node if node.name == "q_y").input[1] = "peak"
    with pytest.raises(ModelError, match="computes its scale"):
        remove_qdq(model)


@pytest.mark.parametrize("text", ["{", "[1]", '{"schema": "edgekit.quantization/2"}', '{"thresholds": {"x": -1}}'])
def test_a_damaged_declaration_is_two_lines(text: str) -> None:
    model = pair_graph(low=0)
    model.metadata_props.append(onnx.StringStringEntryProto(key=PROPERTY, value=text))
    with pytest.raises(ModelError, match="edgekit.quantization"):
        read_declared(model)


def test_a_declaration_is_read_as_it_was_written() -> None:
    model, declared = pair_graph(low=0), DeclaredQuantization({"y": 2.5}, {"wd": (0.25, 0.5)})
    declare(model, declared)
    assert read_declared(model) == declared
    declare(model, NOTHING_DECLARED)
    assert not any(p.key == PROPERTY for p in model.metadata_props)


def test_weights_that_left_their_grid_have_none() -> None:
    declared = DeclaredQuantization({}, {"w": (0.5,)})
    weight = np.array([[[[0.5]], [[-1.0]]], [[[62.0]], [[0.0]]]], np.float32)
    np.testing.assert_array_equal(declared.grid("w", weight, axis=0), [0.5, 0.5])  # type: ignore[arg-type]
    assert declared.grid("w", weight + np.float32(0.1), axis=0) is None
    assert declared.grid("w", weight * 3, axis=0) is None
    assert declared.grid("v", weight, axis=0) is None


def test_a_head_whose_pair_begins_at_zero_has_no_relu(tmp_path: Path) -> None:
    """Distances of boxes are hardly ever negative; a Relu behind the head would be none of the decoder's."""
    path = save_tiny_yolo(tmp_path / "stock.onnx", family="yolo26", opset=13, size_wh=(160, 96))
    cut = cut_graph(qdq_twin(path, symmetric=False)).model
    assert not any(node.op_type == "Relu" for node in cut.graph.node)


@pytest.mark.parametrize(("behind", "relus"), [("Conv", 1), ("Mul", 0), ("", 1), ("Reshape", 1), ("Softmax", 0)])
def test_a_dropped_relu_stood_in_front_of_layers_and_outputs_alone(behind: str, relus: int) -> None:
    model = pair_graph(low=-128)
    last = model.graph.node[-1]
    constants: dict[str, np.ndarray] = {
        "Mul": np.full((1, 4, 1, 1), 0.5, np.float32),
        "Reshape": np.array([1, 2, 8, 6], np.int64),
    }
    shapes = {"Conv": [1, 2, 4, 6], "Reshape": [1, 2, 8, 6]}
    if behind in constants:
        model.graph.initializer.append(numpy_helper.from_array(constants[behind], "k"))
    if behind == "":
        model.graph.node.remove(last)
        model.graph.node[-1].output[0] = "out"
    elif behind != "Conv":
        inputs = ["yd", "k"] if behind in constants else ["yd"]
        last.CopyFrom(helper.make_node(behind, inputs, ["out"], "last"))
    shape = shapes.get(behind, [1, 4, 4, 6])
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("out", TensorProto.FLOAT, shape))
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in remove_qdq(model)[0].graph.node].count("Relu") == relus


def test_what_a_relu_bounds_stays_above_zero_behind_pools_and_sums() -> None:
    """Their pairs begin at zero, too, and need no Relu of their own."""
    model = pair_graph(low=-128, relu=True)
    last = model.graph.node.pop()
    for i, (op, inputs) in enumerate((("GlobalAveragePool", ["yd"]), ("Add", ["d0", "d0"]))):
        model.graph.node.extend(
            [
                helper.make_node(op, inputs, [f"p{i}"]),
                helper.make_node("QuantizeLinear", [f"p{i}", "y_scale", "y_zero"], [f"q{i}"]),
                helper.make_node("DequantizeLinear", [f"q{i}", "y_scale", "y_zero"], [f"d{i}"]),
            ]
        )
    last.input[0] = "d1"
    model.graph.node.append(last)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 2, 1, 1]))
    kinds = [node.op_type for node in remove_qdq(model)[0].graph.node]
    assert kinds == ["Conv", "Relu", "GlobalAveragePool", "Add", "Conv"]


@pytest.mark.parametrize("task", ["detect", "segment"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_quantized_decoder_with_anchors_is_cut_with_proof(tmp_path: Path, task: str, symmetric: bool) -> None:
    path = save_tiny_yolo(tmp_path / "stock.onnx", family="yolov5", task=task, opset=13, size_wh=(320, 256))
    stock = cut_graph(onnx.load(path)).spec.anchors
    twin = cut_graph(qdq_twin(path, per_channel=False, symmetric=symmetric)).spec
    np.testing.assert_allclose(twin.anchors, stock, atol=0.75)  # half a step of the largest one
    rounded = bool(np.any(np.asarray(twin.anchors) % 0.5))
    assert any("anchor boxes stand" in note for note in twin.notes) == rounded == symmetric


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_grid_of_more_steps_than_a_quantizer_has_is_restored(tmp_path: Path, symmetric: bool) -> None:
    """At 1280 pixels the steps of cell centres are above 1; the size of the image says what they were."""
    for family, task in (("yolov8", "pose"), ("yolov5", "detect")):
        path = save_tiny_yolo(tmp_path / f"{family}.onnx", family=family, task=task, opset=13, size_wh=(1280, 64))
        assert cut_graph(qdq_twin(path, per_channel=False, symmetric=symmetric)).spec.family == family


def test_a_large_grid_is_restored_by_its_cell_centres(tmp_path: Path) -> None:
    """At 640 pixels the step of the anchor points is above 1/2: neighbouring multiples of 1/2 would be ambiguous."""
    path = save_tiny_yolo(tmp_path / "stock.onnx", opset=13, size_wh=(640, 64))
    assert cut_graph(qdq_twin(path, per_channel=False)).spec.reg_max == 16


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("y_scale", np.zeros(0, np.float32), "scales \\[0\\]"),
        ("y_scale", np.ones((2, 2), np.float32), "scales \\[2, 2\\]"),
        ("w_scale", np.array([0.1, 0.2], np.float32), "zero points \\[4\\]"),
        ("w_zero", np.zeros(3, np.int8), "zero points \\[3\\]"),
        ("w_zero", np.zeros((2, 2), np.int8), "zero points \\[2, 2\\]"),
    ],
)
def test_scales_that_fit_no_channels_are_refused(name: str, value: np.ndarray, message: str) -> None:
    model = pair_graph(low=0)
    next(i for i in model.graph.initializer if i.name == name).CopyFrom(numpy_helper.from_array(value, name))
    with pytest.raises(ModelError, match=message):
        remove_qdq(model)


@pytest.mark.parametrize("axis", [99, -(2**63), 1, 4])
def test_an_axis_that_has_other_slices_is_refused(axis: int) -> None:
    model = pair_graph(low=0)
    model.graph.node[2].attribute[0].i = axis
    with pytest.raises(ModelError, match=f"4 scales along axis {axis}"):
        remove_qdq(model)
