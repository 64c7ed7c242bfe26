"""The estimated cost of 16 bits, by hand on a graph of two convolutions."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.graph.float_graph import FloatGraph, FloatNode
from edgekit.graph.macs import giga_macs
from edgekit.tuning.cost import INT16_ELEMENT, INT16_MACS, extra_cost

# (1, 4, 10, 10) -conv 3x3-> (1, 8, 10, 10) -table-> -conv 1x1-> (1, 2, 10, 10)
GRAPH = FloatGraph(
    nodes=(
        FloatNode("first", "Conv", ("x", "w1"), ("a",), {}),
        FloatNode("act", "Table", ("a",), ("b",), {"function": "swish"}),
        FloatNode("second", "Conv", ("b", "w2"), ("y",), {}),
    ),
    constants={"w1": np.zeros((8, 4, 3, 3), np.float32), "w2": np.zeros((2, 8, 1, 1), np.float32)},
    shapes={"x": (1, 4, 10, 10), "a": (1, 8, 10, 10), "b": (1, 8, 10, 10), "y": (1, 2, 10, 10)},
    input="x",
    outputs={"y": "y"},
)
MACS = 8 * 4 * 9 * 100 + 2 * 8 * 100


def test_multiplications() -> None:
    assert giga_macs(GRAPH) == pytest.approx(MACS / 1e9)


def test_int8_costs_nothing() -> None:
    assert extra_cost(GRAPH, ()) == 0


def test_an_int16_tensor_is_moved_and_multiplied_twice() -> None:
    assert extra_cost(GRAPH, {"a"}) == pytest.approx(800 * INT16_ELEMENT / MACS)
    assert extra_cost(GRAPH, {"b"}) == pytest.approx((800 * INT16_ELEMENT + 1600 * (INT16_MACS - 1)) / MACS)
    assert extra_cost(GRAPH, {"a", "b"}) == pytest.approx(extra_cost(GRAPH, {"a"}) + extra_cost(GRAPH, {"b"}))
