"""The order of nodes: outputs leave as early as they can, and nothing else changes."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgekit.export.cut import cut_graph
from edgekit.export.output_order import order_by_outputs
from edgekit.graph.soundness import inputs_of
from tests.tiny_yolo import tiny_yolo


def network(nodes: list[onnx.NodeProto], outputs: list[str]) -> onnx.ModelProto:
    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2])

    graph = helper.make_graph(nodes, "g", [value("x")], [value(name) for name in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])


def test_a_fine_head_is_computed_before_the_coarse_part_begins() -> None:
    made = ("fine", "coarse", "head of fine", "head of coarse")
    read = ("x", "fine", "fine", "coarse")
    nodes = [helper.make_node("Neg", [source], [name], name=name) for source, name in zip(read, made, strict=True)]
    ordered = order_by_outputs(network(nodes, ["head of fine", "head of coarse"]))
    assert [node.name for node in ordered.graph.node] == ["fine", "head of fine", "coarse", "head of coarse"]


def test_the_model_itself_stays_as_it_is() -> None:
    nodes = [helper.make_node("Neg", ["x"], [name], name=name) for name in "ab"]
    model = network(nodes, ["b"])
    before = model.SerializeToString()
    ordered = order_by_outputs(model)
    assert model.SerializeToString() == before
    assert [node.name for node in ordered.graph.node] == ["b", "a"]  # what no output needs is kept, at the end
    assert [output.name for output in ordered.graph.output] == ["b"]


@given(st.lists(st.integers(0, 1 << 16), min_size=1, max_size=30), st.integers(1, 4))
def test_every_node_comes_once_and_behind_what_it_reads(draws: list[int], outputs: int) -> None:
    names = ["x"]
    nodes = []
    for i, draw in enumerate(draws):
        read = [names[draw % len(names)], names[draw // 256 % len(names)]]
        nodes.append(helper.make_node("Add", read, [f"t{i}"], name=f"n{i}"))
        names.append(f"t{i}")
    ordered = order_by_outputs(network(nodes, names[-min(outputs, len(draws)) :]))
    assert sorted(node.name for node in ordered.graph.node) == sorted(node.name for node in nodes)
    made = {"x"}
    for node in ordered.graph.node:
        assert made.issuperset(inputs_of(node))
        made.update(node.output)


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_cut_heads_come_before_what_only_coarser_ones_need(task: str) -> None:
    nodes = cut_graph(tiny_yolo(task=task)).model.graph.node
    by_output = {node.output[0]: i for i, node in enumerate(nodes)}
    by_name = {node.name: i for i, node in enumerate(nodes)}
    assert by_output["class_8"] < by_name["/model.3/conv/Conv"] < by_output["class_32"] < by_output["class_16"]
