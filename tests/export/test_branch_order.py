"""Branches of a single convolution go forward, and nothing else changes."""

from __future__ import annotations

import onnx
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgekit.export.branch_order import move_branches_forward
from edgekit.export.cut import cut_graph
from edgekit.graph.soundness import inputs_of
from tests.tiny_yolo import tiny_yolo


def network(nodes: list[onnx.NodeProto], outputs: list[str]) -> onnx.ModelProto:
    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2])

    graph = helper.make_graph(nodes, "g", [value("x")], [value(name) for name in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])


def conv(source: str, name: str) -> onnx.NodeProto:
    return helper.make_node("Conv", [source, "w"], [name], name=name)


def names_of(model: onnx.ModelProto) -> list[str]:
    return [node.name for node in model.graph.node]


def test_a_head_goes_behind_what_it_reads() -> None:
    nodes = [conv("x", "fine"), conv("fine", "coarse"), conv("fine", "fine head"), conv("coarse", "coarse head")]
    nodes.insert(3, helper.make_node("Transpose", ["fine head"], ["a"], name="a"))
    nodes.append(helper.make_node("Transpose", ["coarse head"], ["b"], name="b"))
    model = network(nodes, ["a", "b"])
    before = model.SerializeToString()
    assert names_of(move_branches_forward(model)) == ["fine", "fine head", "a", "coarse", "coarse head", "b"]
    assert model.SerializeToString() == before


def test_a_head_of_two_convolutions_stays_where_it_is() -> None:
    nodes = [
        conv("x", "fine"),
        conv("fine", "coarse"),
        conv("fine", "hidden"),
        conv("hidden", "a"),
        conv("coarse", "b"),
    ]
    assert names_of(move_branches_forward(network(nodes, ["a", "b"]))) == ["fine", "coarse", "hidden", "a", "b"]


def test_the_short_way_round_a_block_goes_first() -> None:
    made = [conv("x", "read"), conv("read", "long 1"), conv("long 1", "long 2"), conv("read", "short")]
    nodes = [*made, helper.make_node("Concat", ["long 2", "short"], ["joined"], axis=1), conv("joined", "y")]
    assert names_of(move_branches_forward(network(nodes, ["y"])))[:4] == ["read", "short", "long 1", "long 2"]


def test_a_branch_that_something_else_reads_stays() -> None:
    made = [conv("x", "read"), conv("read", "long 1"), conv("long 1", "long 2"), conv("read", "short")]
    nodes = [*made, helper.make_node("Concat", ["long 2", "short"], ["joined"], axis=1), conv("short", "other")]
    nodes.append(helper.make_node("Add", ["joined", "other"], ["y"]))
    assert names_of(move_branches_forward(network(nodes, ["y"])))[:4] == ["read", "long 1", "long 2", "short"]


def test_long_branches_stay_and_take_no_time() -> None:
    nodes = [conv("x", "read"), conv("read", "t0"), conv("x", "a")]
    nodes += [helper.make_node("Neg", [f"t{i}"], [f"t{i + 1}"], name=f"n{i}") for i in range(20_000)]
    ordered = move_branches_forward(network([*nodes, conv("read", "b")], ["t20000", "a", "b"]))
    assert names_of(ordered)[:4] == ["a", "read", "b", "t0"]


def test_what_no_output_needs_is_kept() -> None:
    nodes = [conv("x", "unread"), conv("x", "a"), conv("x", "b")]
    assert names_of(move_branches_forward(network(nodes, ["b"]))) == ["b", "unread", "a"]


@given(st.lists(st.integers(0, 1 << 16), min_size=1, max_size=30), st.integers(1, 4))
def test_every_node_comes_once_and_behind_what_it_reads(draws: list[int], outputs: int) -> None:
    names, nodes = ["x"], []
    for i, draw in enumerate(draws):
        read = [names[draw % len(names)], names[draw // 256 % len(names)]]
        nodes.append(helper.make_node(("Conv", "Add", "Concat", "Conv")[draw % 4], read, [f"t{i}"], name=f"n{i}"))
        names.append(f"t{i}")
    ordered = move_branches_forward(network(nodes, names[-min(outputs, len(draws)) :]))
    assert sorted(names_of(ordered)) == sorted(node.name for node in nodes)
    made = {"x", "w"}
    for node in ordered.graph.node:
        assert made.issuperset(inputs_of(node))
        made.update(node.output)


def test_the_heads_of_yolov5_leave_early() -> None:
    nodes = cut_graph(tiny_yolo(family="yolov5")).model.graph.node
    at = {name: i for i, node in enumerate(nodes) for name in (node.name, *node.output)}
    assert at["object_8"] < at["/model.3/conv/Conv"] < at["object_32"]


def test_the_heads_of_yolov8_stay() -> None:
    nodes = cut_graph(tiny_yolo()).model.graph.node
    at = {name: i for i, node in enumerate(nodes) for name in (node.name, *node.output)}
    assert at["/model.11/conv/Conv"] < at["class_8"]
