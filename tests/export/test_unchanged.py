"""Heads that float32 itself cannot hold still: judged by how the graph amplifies rounding, not by a fixed number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export import CutOptions, cut_graph
from edgekit.export.attention_heads import SplitAttention, split_attention_heads
from edgekit.export.softmax_rewrite import rewrite_softmax
from tests.tiny_yolo import tiny_yolo


def _amplifying(gain: float, family: str = "yolo12") -> onnx.ModelProto:
    """A tiny model that multiplies what attention gives until its last bits are seen (a sine keeps it bounded)."""
    model = tiny_yolo(family=family)
    graph = model.graph
    attention = next(n for n in graph.node if n.name == "/model.8/Add").output[0]
    for node in graph.node:
        node.input[:] = ["waves" if name == attention else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(np.float32(gain), "gain"))
    graph.node.append(helper.make_node("Mul", [attention, "gain"], ["large"], "large"))
    graph.node.append(helper.make_node("Sin", ["large"], ["waves"], "waves"))
    order = {n.output[0]: n for n in graph.node}
    at = next(i for i, n in enumerate(graph.node) if n.name == "/model.8/Add") + 1
    nodes = [n for n in graph.node if n.name not in ("large", "waves")]
    nodes[at:at] = [order["large"], order["waves"]]
    copies = [onnx.NodeProto.FromString(n.SerializeToString()) for n in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    return model


@pytest.mark.parametrize("family", ["yolo11", "yolo12"])
def test_a_graph_that_amplifies_rounding_is_cut_and_told(family: str) -> None:
    cut = cut_graph(_amplifying(3e4, family))
    assert any("edge of float32" in note for note in cut.spec.notes)
    assert all(node.op_type != "Softmax" for node in cut.model.graph.node)


def test_a_well_conditioned_graph_is_told_nothing() -> None:
    assert cut_graph(_amplifying(1.0)).spec.notes == ()
    assert cut_graph(_amplifying(3e4), CutOptions(keep_softmax=True)).spec.notes == ()


@pytest.mark.parametrize("gain", [1.0, 3e4])
def test_a_wrong_softmax_is_refused_however_much_the_graph_amplifies(
    gain: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> tuple[onnx.ModelProto, tuple[str, ...]]:
        rewritten, names = rewrite_softmax(model, shapes)
        weight = numpy_helper.from_array(np.float32(1.5), "a_little_more")
        rewritten.graph.initializer.append(weight)
        for node in rewritten.graph.node:
            if node.op_type == "Sub" and node.output[0].endswith("_shifted"):
                shifted = node.output[0]
        for node in list(rewritten.graph.node):
            if node.op_type == "Exp" and node.input[0] == shifted:
                node.input[0] = "off"
        at = next(i for i, n in enumerate(rewritten.graph.node) if n.output[0] == shifted) + 1
        rewritten.graph.node.insert(at, helper.make_node("Mul", [shifted, "a_little_more"], ["off"]))
        return rewritten, names

    monkeypatch.setattr("edgekit.export.cut.rewrite_softmax", wrong)
    with pytest.raises(ModelError, match="differs from the stock graph"):
        cut_graph(_amplifying(gain))


@pytest.mark.parametrize("gain", [1.0, 3e4])
def test_a_wrong_head_is_refused_however_much_the_graph_amplifies(gain: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(model: onnx.ModelProto) -> SplitAttention:
        split = split_attention_heads(model)
        weight = next(i for i in split.model.graph.initializer if i.name.endswith("_keys_0.weight"))
        weight.CopyFrom(numpy_helper.from_array(1.5 * numpy_helper.to_array(weight), weight.name))
        return split

    monkeypatch.setattr("edgekit.export.cut.split_attention_heads", wrong)
    with pytest.raises(ModelError, match="differs from the stock graph"):
        cut_graph(_amplifying(gain, "yolo11"))


def test_weights_beyond_float32_are_named() -> None:
    model = tiny_yolo(family="yolo12")
    weight = next(t for t in model.graph.initializer if t.name.endswith("cv2.0.2.weight"))
    weight.CopyFrom(numpy_helper.from_array(np.full(list(weight.dims), 3e38, np.float32), weight.name))
    with pytest.raises(ModelError, match="beyond float32") as caught:
        cut_graph(model)
    assert "checkpoint" in caught.value.hint
