"""A graph is checked whole when it is loaded; what is wrong is said with the node's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgekit.errors import ModelError
from edgekit.sim.graph import load_graph, needed_nodes, strip_dequantize
from tests.sim.synthetic import NodeSpec, graph_bytes, model_proto

CONV = {
    "kernel_shape": [1, 1], "right_shift": [0, 0], "scale": [1, 1], "out_shift": [0, 0], "output_bit": 8,
    "data_format": "NHWC",
}  # fmt: skip
CONSTANTS = {"w": np.ones((2, 1, 1, 3), np.int8), "b": np.zeros(2, np.int32), "s": np.zeros(2, np.int8)}
INPUT = {"x": ("int8", (1, 2, 2, 3))}
OUTPUT = {"y": ("int8", (1, 2, 2, 2))}


def conv_graph(changes: dict[str, Any] | None = None, constants: dict[str, Any] | None = None) -> bytes:
    attributes = {k: v for k, v in {**CONV, **(changes or {})}.items() if v is not None}
    node = NodeSpec(
        "HzSQuantizedConv", ["x", "w", "b", "s"], ["y"], attributes, {**CONSTANTS, **(constants or {})}, "my_conv"
    )
    return graph_bytes([node], INPUT, OUTPUT)


def test_a_good_graph_knows_its_tensors() -> None:
    graph = load_graph(conv_graph())
    assert str(graph.types["y"]) == "int8[1, 2, 2, 2]"
    assert graph.producers["y"].name == "my_conv" and graph.consumers["x"][0].name == "my_conv"
    assert graph.batch == 1 and graph.inexact_nodes == ()
    assert graph.nodes[0].attributes["scale"] == [1, 1]
    with pytest.raises(ValueError, match="read-only"):
        graph.constants["w"][0] = 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"right_shift": [0, 32]}, "attribute right_shift holds 0..32"),
        ({"out_shift": [-1, 0]}, "attribute out_shift holds -1..0"),
        ({"scale": [1, 2, 3]}, "attribute scale has 3 entries, expected 2"),
        ({"scale": None}, "attribute scale is missing"),
        ({"output_bit": 7}, "attribute output_bit is 7, expected 8 or 16"),
        ({"activation": "gelu"}, "attribute activation is 'gelu'"),
        ({"data_format": "NCHW"}, "attribute data_format is 'NCHW'"),
        ({"surprise": 1}, "attribute surprise is not known"),
        ({"kernel_shape": [3, 3]}, "attribute kernel_shape is [3, 3], expected [1, 1]"),
        ({"pads": [0, 0, 0, -1]}, "attribute pads holds -1..0"),
        ({"strides": [0, 1]}, "attribute strides holds 0..1"),
        ({"dilations": [1]}, "attribute dilations has 1 entries"),
        ({"group": 2}, "in 2 groups over 3 channels"),
    ],
)
def test_bad_attributes_are_refused_with_the_nodes_name(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_graph(conv_graph(changes))
    assert "my_conv" in caught.value.message and says in caught.value.message


@pytest.mark.parametrize(
    ("constants", "says"),
    [
        ({"w": np.ones((2, 1, 1, 4), np.int8)}, "weights [2, 1, 1, 4]"),
        ({"w": np.ones((2, 1, 1, 3), np.int32)}, "initializer 'w' is int32"),
        ({"b": np.zeros(3, np.int32)}, "initializer 'b' has shape [3]"),
        ({"s": np.full(2, 40, np.int8)}, "b_scale holds 40"),
    ],
)
def test_bad_weights_are_refused(constants: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_graph(conv_graph(constants=constants))
    assert "my_conv" in caught.value.message and says in caught.value.message


def test_weights_of_the_wrong_size_are_refused() -> None:
    model = onnx.load_from_string(conv_graph())
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-1]
    with pytest.raises(ModelError, match="initializer 'w' of node 'my_conv' holds 5 elements, expected 6"):
        load_graph(model.SerializeToString())


def test_weights_in_other_files_are_refused() -> None:
    model = onnx.load_from_string(conv_graph())
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    with pytest.raises(ModelError, match="lies in another file"):
        load_graph(model.SerializeToString())


@pytest.mark.parametrize("keep", [0, 1, 50, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, keep: float) -> None:
    data = conv_graph()
    path = tmp_path / "cut_quantized_model.onnx"
    path.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(ModelError):
        load_graph(path)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\x89PNG\r\n" * 100)
    with pytest.raises(ModelError, match="expected a quantized graph"):
        load_graph(tmp_path / "a.onnx")
    with pytest.raises(ModelError, match="does not exist"):
        load_graph(tmp_path / "missing.onnx")
    with pytest.raises(ModelError, match="cannot be read"):
        load_graph(tmp_path)


def test_unknown_operators_are_refused_by_name() -> None:
    data = graph_bytes([NodeSpec("HzTeleport", ["x"], ["y"], name="odd")], INPUT, OUTPUT)
    with pytest.raises(ModelError, match="node 'odd' is of the unknown operator horizon.HzTeleport"):
        load_graph(data)


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([NodeSpec("Identity", ["z"], ["y"], name="n")], "it reads \\['z'\\]"),
        ([NodeSpec("Identity", ["x"], ["x"], name="n")], "it writes \\['x'\\]"),
        ([NodeSpec("Identity", ["x", "x"], ["y"], name="n")], "2 inputs, expected 1"),
        ([NodeSpec("Transpose", ["x"], ["y"], {"perm": [0, 1, 2, 2]}, name="n")], "every axis once"),
        ([NodeSpec("Concat", ["x", "x"], ["y"], {"axis": 7}, name="n")], "attribute axis is 7"),
    ],
)
def test_graphs_that_cannot_run_are_refused(nodes: list[NodeSpec], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        load_graph(graph_bytes(nodes, INPUT, {"y": ("int8", (1, 2, 2, 3))}))


def test_declared_outputs_must_fit() -> None:
    node = NodeSpec("Identity", ["x"], ["y"])
    with pytest.raises(ModelError, match="output 'y' of the quantized graph is declared"):
        load_graph(graph_bytes([node], INPUT, {"y": ("int8", (1, 2, 2, 4))}))
    with pytest.raises(ModelError, match="output 'q' of the quantized graph is written by no node"):
        load_graph(graph_bytes([node], INPUT, {"q": ("int8", (1, 2, 2, 3))}))


def stripped_graph() -> bytes:
    nodes = [
        NodeSpec("Identity", ["x"], ["i"], name="first"),
        NodeSpec(
            "HzDequantize", ["i", "u"], ["y"], {"axis": 3}, {"u": np.array([1, 2, 4], np.float32)}, "out_HzDequantize"
        ),
    ]
    return graph_bytes(nodes, INPUT, {"y": ("float32", (1, 2, 2, 3))})


def test_removed_dequantize_nodes_leave_integers_with_their_unit() -> None:
    graph = strip_dequantize(load_graph(stripped_graph()), ["out_HzDequantize"])
    output = graph.outputs["y"]
    assert (output.tensor, output.type.dtype, output.axis) == ("i", np.dtype(np.int8), 3)
    assert output.scale.tolist() == [1, 2, 4]
    assert [node.name for node in needed_nodes(graph, ["i"])] == ["first"]
    with pytest.raises(ModelError, match="node 'first' cannot be left out"):
        strip_dequantize(load_graph(stripped_graph()), ["first"])


def test_a_scale_that_is_no_number_is_refused() -> None:
    model = model_proto(
        [NodeSpec("HzDequantize", ["x", "u"], ["y"], {}, {"u": np.array([np.nan], np.float32)}, "d")],
        INPUT,
        {"y": ("float32", (1, 2, 2, 3))},
    )
    with pytest.raises(ModelError, match="node 'd'.*no positive number"):
        load_graph(model.SerializeToString())


def test_inputs_that_nothing_reads_are_no_inputs() -> None:
    node = NodeSpec("Identity", ["x"], ["y"])
    data = graph_bytes([node], {**INPUT, "left_over": ("float32", (1,))}, {"y": ("int8", (1, 2, 2, 3))})
    assert list(load_graph(data).inputs) == ["x"]
