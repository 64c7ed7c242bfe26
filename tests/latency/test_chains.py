"""Transpositions and reshapes that together only reshape become one layer."""

from __future__ import annotations

from edgekit.latency.chains import reshaping_chains
from edgekit.latency.layer import graph_layers
from edgekit.sim.graph import load_graph
from tests.latency.graphs import chain, conv_node
from tests.sim.synthetic import NodeSpec


def reshape(name: str, source: str, target: str, shape: list[int]) -> NodeSpec:
    return NodeSpec("Reshape", [source, f"{name}_to"], [target], {}, {f"{name}_to": shape}, name)


def test_there_and_back_is_one_reshape() -> None:
    nodes = [
        conv_node("conv", "x", "p", (8, 8)),
        NodeSpec("Transpose", ["p"], ["q"], {"perm": [0, 3, 1, 2]}, name="front"),
        reshape("flat", "q", "r", [1, 8, 24]),
        NodeSpec("Transpose", ["r"], ["s"], {"perm": [0, 2, 1]}, name="back"),
        reshape("heads", "s", "y", [4, 6, 2, 4]),
    ]
    graph = load_graph(chain(nodes, (1, 4, 6, 8), ("y", "int8", (4, 6, 2, 4))))
    assert [[node.name for node in one] for one in reshaping_chains(graph)] == [["front", "flat", "back", "heads"]]
    conv, only = graph_layers(graph)
    assert (only.name, only.op, only.outputs[0].shape) == ("front", "Reshape", (4, 6, 2, 4))
    assert not conv.transposed_readers


def test_a_real_transposition_stays() -> None:
    nodes = [
        NodeSpec("Transpose", ["x"], ["q"], {"perm": [0, 3, 1, 2]}, name="front"),
        reshape("flat", "q", "y", [1, 8, 24]),
    ]
    graph = load_graph(chain(nodes, (1, 4, 6, 8), ("y", "int8", (1, 8, 24))))
    assert reshaping_chains(graph) == ()
    assert [one.op for one in graph_layers(graph)] == ["ToChannelsFirst", "Reshape"]


def test_a_second_reader_ends_the_chain() -> None:
    nodes = [
        NodeSpec("Transpose", ["x"], ["q"], {"perm": [0, 3, 1, 2]}, name="front"),
        NodeSpec("Transpose", ["q"], ["r"], {"perm": [0, 2, 3, 1]}, name="back"),
        NodeSpec("Transpose", ["q"], ["s"], {"perm": [0, 2, 3, 1]}, name="again"),
        NodeSpec("Concat", ["r", "s"], ["y"], {"axis": 3}, name="both"),
    ]
    assert reshaping_chains(load_graph(chain(nodes, (1, 4, 6, 8), ("y", "int8", (1, 4, 6, 16))))) == ()
