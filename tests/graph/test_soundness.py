"""Hostile and damaged ONNX files: tensors that do not hold what they say, circles, truncation; always the two lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export import cut_graph
from edgekit.graph.onnx_graph import load_model
from edgekit.graph.soundness import sort_nodes
from tests.tiny_yolo import tiny_yolo


def _dims(*dims: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        del tensor.dims[:]
        tensor.dims.extend(dims)

    return change


def _element_type(kind: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].data_type = kind

    return change


def _short_data(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-3]


def _constant(model: onnx.ModelProto) -> None:
    constant = next(n for n in model.graph.node if n.op_type == "Constant")
    constant.attribute[0].t.dims.extend([1 << 40, 1 << 40])


@pytest.mark.parametrize(
    "change",
    [_dims(3, 3), _dims(1 << 62, 1 << 62), _dims(-1, 8), _dims(1 << 40), _element_type(99), _element_type(0),
     _element_type(-5), _element_type(8), _short_data, _constant],
)  # fmt: skip
def test_a_tensor_that_does_not_hold_what_it_says_is_named(
    change: Callable[[onnx.ModelProto], None], tmp_path: Path
) -> None:
    model = tiny_yolo()
    change(model)
    path = tmp_path / "bad.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError) as caught:
        cut_graph(load_model(path))
    assert str(path) in caught.value.message
    assert "export the model again" in caught.value.hint


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_ends_in_the_two_lines(share: float, tmp_path: Path) -> None:
    data = tiny_yolo().SerializeToString()
    path = tmp_path / "half.onnx"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError) as caught:
        cut_graph(load_model(path))
    assert caught.value.hint


@pytest.mark.parametrize("text", [b"images", b"output0", b"Sigmoid", b"/model.0/conv/Conv", b"description"])
def test_names_that_are_no_text_end_in_the_two_lines(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(tiny_yolo().SerializeToString().replace(text, b"\xff" + text[1:]))
    with pytest.raises(ModelError) as caught:
        cut_graph(load_model(path))
    assert "export" in caught.value.hint
    assert str(path) in caught.value.message


def test_a_circle_of_nodes_is_named(tmp_path: Path) -> None:
    model = tiny_yolo()
    first, last = model.graph.node[0], model.graph.node[-1]
    first.input[0] = last.output[0]
    path = tmp_path / "circle.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="depends on its own output"):
        load_model(path)


def test_nodes_in_any_order_are_sorted_and_mean_the_same(tmp_path: Path) -> None:
    model, shuffled = tiny_yolo(), tiny_yolo()
    order = np.random.default_rng(0).permutation(len(model.graph.node))
    nodes = [model.graph.node[i] for i in order]
    del shuffled.graph.node[:]
    shuffled.graph.node.extend(nodes)
    onnx.save(shuffled, str(tmp_path / "shuffled.onnx"))
    assert cut_graph(load_model(tmp_path / "shuffled.onnx")).spec == cut_graph(model).spec


def test_sorted_nodes_stay_as_they_are() -> None:
    model, before = tiny_yolo(), tiny_yolo()
    sort_nodes(model, "m.onnx")
    assert model == before


def test_a_long_chain_is_sorted_without_recursion() -> None:
    nodes = [onnx.helper.make_node("Relu", [f"t{i}"], [f"t{i + 1}"]) for i in reversed(range(20_000))]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], []))
    sort_nodes(model, "m.onnx")
    assert model.graph.node[0].input[0] == "t0"


@pytest.mark.parametrize("in_node", [False, True])
@pytest.mark.parametrize("value", [[np.nan], [0.0], [1e300]])
def test_a_constant_of_another_type_than_is_read_is_named(tmp_path: Path, value: list[float], in_node: bool) -> None:
    """Axes that are no integers: what reads them would fail on them one by one."""
    axes = numpy_helper.from_array(np.array(value), "axes")
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["images", "axes"], ["y"], "total", keepdims=0)],
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 8, 8])],
    )
    if in_node:
        graph.node.insert(0, helper.make_node("Constant", [], ["axes"], "constant", value=axes))
    else:
        graph.initializer.append(axes)
    path = tmp_path / "bad.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    with pytest.raises(
        ModelError, match=r"'total'.*\(ReduceSum\) reads 'axes' of type double, expected tensor\(int64\)"
    ):
        load_model(path)
