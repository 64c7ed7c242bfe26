"""YOLO-World's attention over constant words: the same numbers in four axes, and integers for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekit.export.word_attention import rewrite_word_attention
from tests.sim.compiler.graphs import FloatModel, compare
from tests.stock_rows import run_onnx
from tests.tiny_yolo import tiny_yolo

HEADS, CHANNELS, WORDS, SIZE_HW = 2, 3, 5, (4, 6)
CELLS = SIZE_HW[0] * SIZE_HW[1]


def _maximum(name: str, by_input: bool) -> onnx.NodeProto:
    """The largest over words; its axes are an input since opset 18."""
    if by_input:
        return helper.make_node("ReduceMax", [name, "three"], ["best"], keepdims=0)
    return helper.make_node("ReduceMax", [name], ["best"], keepdims=0, axes=[3])


def attention(opset: int = 18, *, scale: float = 1.0) -> onnx.ModelProto:
    """A map of features gated per head by its best word, spelled as exports do. scale: of what the maximum reads."""
    rng = np.random.default_rng(4)
    wide = HEADS * CHANNELS
    constants = {
        "w": rng.normal(0, 0.5, (wide, 3, 1, 1)), "words": rng.normal(0, 1, (1, HEADS, CHANNELS, WORDS)),
        "split": np.asarray([1, HEADS, CHANNELS, CELLS], np.int64), "grid": np.asarray([1, HEADS, *SIZE_HW], np.int64),
        "heads": np.asarray([1, HEADS, CHANNELS, *SIZE_HW], np.int64), "map": np.asarray([1, wide, *SIZE_HW], np.int64),
        "two": np.asarray([2], np.int64), "three": np.asarray([3], np.int64), "root": np.float32(CHANNELS**0.5),
        "scale": np.float32(scale),
    }  # fmt: skip
    by_input = opset >= 18
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["x"], "conv"),
        helper.make_node("Reshape", ["x", "split"], ["cells"]),
        helper.make_node("Transpose", ["cells"], ["turned"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["turned", "words"], ["products"], "product"),
        *([helper.make_node("Mul", ["products", "scale"], ["scaled"])] if scale != 1 else []),
        _maximum("products" if scale == 1 else "scaled", by_input),
        helper.make_node("Reshape", ["best", "grid"], ["gates"]),
        helper.make_node("Div", ["gates", "root"], ["divided"]),
        helper.make_node("Sigmoid", ["divided"], ["shares"]),
        helper.make_node("Unsqueeze", ["shares", "two"], ["five"]),
        helper.make_node("Reshape", ["x", "heads"], ["values"]),
        helper.make_node("Mul", ["values", "five"], ["gated"], "gate"),
        helper.make_node("Reshape", ["gated", "map"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "attention",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *SIZE_HW])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, wide, *SIZE_HW])],
        [
            numpy_helper.from_array(np.asarray(v, np.int64 if np.asarray(v).dtype == np.int64 else np.float32), k)
            for k, v in constants.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_the_same_numbers_without_matrices_and_five_axes() -> None:
    image = np.random.default_rng(1).normal(0, 1, (1, 3, *SIZE_HW)).astype(np.float32)
    for opset in (13, 18):
        model = attention(opset)
        rewritten, names = rewrite_word_attention(model)
        assert names == ("gates",)
        ops = [node.op_type for node in rewritten.graph.node]
        assert not {"MatMul", "Unsqueeze", "Reshape"} & set(ops) and ops.count("ReduceMax") == HEADS
        np.testing.assert_allclose(run_onnx(rewritten, image)["y"], run_onnx(model, image)["y"], atol=1e-6)


def test_a_product_that_is_changed_on_its_way_stays_as_it_is() -> None:
    model = attention(scale=-1.0)
    assert rewrite_word_attention(model) == (model, ())


def test_other_graphs_are_left_alone() -> None:
    model = tiny_yolo(family="yolo11")
    assert rewrite_word_attention(model) == (model, ())


def test_a_maximum_over_channels_is_compiled(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        x = m.swish(m.conv("images", 3, 8))
        best = m.node("ReduceMax", [x], axes=[1], keepdims=1)
        m.head(m.conv(m.swish(m.conv(best, 1, 4)), 4, 2))

    compared = compare(tmp_path / "m.onnx", build)
    assert "HzQuantizedReduceMax" in compared.ops
    truth, found = compared.truth["output_0"], compared.found["output_0"]
    assert float(np.vdot(truth, found) / np.linalg.norm(truth) / np.linalg.norm(found)) > 0.995
