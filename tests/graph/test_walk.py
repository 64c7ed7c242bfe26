"""The nodes that are ancestors first on the way back: on several ways, behind reads of shapes, and none."""

from __future__ import annotations

from onnx import TensorProto, helper

from edgekit.graph.onnx_graph import GraphIndex, index_graph
from edgekit.graph.walk import nearest_ancestors


def graph() -> GraphIndex:
    """x -> early -> two convolutions' stand-ins, joined; the shape of a third is read only."""
    nodes = [
        helper.make_node("Relu", ["x"], ["early"]),
        helper.make_node("Abs", ["early"], ["b"]),
        helper.make_node("Abs", ["early"], ["a"]),
        helper.make_node("Abs", ["early"], ["measured"]),
        helper.make_node("Shape", ["measured"], ["shape"]),
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Reshape", ["sum", "shape"], ["y"]),
    ]
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in ("x", "y")]
    return index_graph(helper.make_model(helper.make_graph(nodes, "g", value[:1], value[1:])))


def test_every_way_ends_at_its_first_node_and_shapes_are_no_way() -> None:
    index = graph()
    ancestors = nearest_ancestors(index, ["y"], lambda _, node: node.op_type in ("Abs", "Relu"))
    assert list(ancestors) == ["b", "a"]  # as the graph has them; not "measured", and not "early" behind them
    assert {node.op_type for node in ancestors.values()} == {"Abs"}


def test_nodes_may_be_told_by_their_tensor() -> None:
    assert list(nearest_ancestors(graph(), ["y"], lambda name, _: name in ("a", "early"))) == ["early", "a"]
    assert nearest_ancestors(graph(), ["y", "x"], lambda name, _: name == "x") == {}
