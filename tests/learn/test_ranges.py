"""Thresholds from bounds: through activations, Concats, moves and sums, by hand."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", minversion="2.1")

from edgekit.folding.clip_bounds import boundable  # noqa: E402
from edgekit.graph.float_graph import FloatGraph, FloatNode  # noqa: E402
from edgekit.learn.ranges import RangeRules  # noqa: E402
from edgekit.sim.compiler.scales import plan_scales  # noqa: E402

CONV = {"kernel_shape": [1, 1]}


def silu(x: float) -> float:
    return float(x / (1 + np.exp(-x)))


@pytest.fixture
def graph() -> FloatGraph:
    """Two bounded branches: one through a MaxPool into a Concat, both summed, then a head."""
    swish = {"function": "swish"}
    nodes = (
        FloatNode("c1", "Conv", ("x", "w"), ("a",), CONV),
        FloatNode("t1", "Table", ("a",), ("sa",), swish),
        FloatNode("c2", "Conv", ("x", "w"), ("b",), CONV),
        FloatNode("t2", "Table", ("b",), ("sb",), swish),
        FloatNode("pool", "MaxPool", ("sa",), ("p",), {}),
        FloatNode("join", "Concat", ("p", "sb"), ("j",), {"axis": 1}),
        FloatNode("sum", "Add", ("sa", "sb"), ("s",), {}),
        FloatNode("head", "Conv", ("j", "w"), ("y",), CONV),
        FloatNode("head2", "Conv", ("s", "w"), ("z",), CONV),
    )
    shapes = dict.fromkeys(("x", "a", "sa", "b", "sb", "p", "j", "s", "y", "z"), (1, 2, 4, 4))
    return FloatGraph(nodes, {"w": np.ones((2, 2, 1, 1), np.float32)}, shapes, "x", {"y": "y", "z": "z"})


def test_the_convolutions_in_front_of_activations_are_bounded(graph: FloatGraph) -> None:
    assert boundable(graph, plan_scales(graph)) == {"a": "sa", "b": "sb"}


def test_an_activation_reaches_to_its_bounds_image_and_a_concat_to_the_largest(graph: FloatGraph) -> None:
    plan = plan_scales(graph)
    rules = RangeRules(graph, plan, dict.fromkeys(plan.observed, 100.0))
    thresholds = rules.thresholds({"a": torch.tensor(6.0), "b": torch.tensor(8.0)})
    assert float(thresholds["a"]) == 6 and float(thresholds["b"]) == 8
    assert float(thresholds[plan.source["sa"]]) == pytest.approx(silu(6))
    assert float(thresholds["j"]) == pytest.approx(silu(8))
    assert float(thresholds["s"]) == pytest.approx(silu(6) + silu(8))
    assert float(thresholds["x"]) == 100


def test_nothing_reaches_further_than_calibration_saw(graph: FloatGraph) -> None:
    plan = plan_scales(graph)
    rules = RangeRules(graph, plan, {**dict.fromkeys(plan.observed, 100.0), "s": 5.0, "j": 3.0})
    thresholds = rules.thresholds({"a": torch.tensor(6.0), "b": torch.tensor(8.0)})
    assert float(thresholds["s"]) == 5 and float(thresholds["j"]) == 3


def test_the_negative_lobe_stays_in_range(graph: FloatGraph) -> None:
    """SiLU reaches -0.278 whatever the bound."""
    plan = plan_scales(graph)
    rules = RangeRules(graph, plan, dict.fromkeys(plan.observed, 100.0))
    thresholds = rules.thresholds({"a": torch.tensor(0.1), "b": torch.tensor(8.0)})
    assert float(thresholds[plan.source["sa"]]) == pytest.approx(0.2785, abs=1e-4)


def test_gradients_reach_the_bounds(graph: FloatGraph) -> None:
    plan = plan_scales(graph)
    bounds = {name: torch.tensor(value, requires_grad=True) for name, value in (("a", 6.0), ("b", 8.0))}
    rules = RangeRules(graph, plan, dict.fromkeys(plan.observed, 100.0))
    thresholds = rules.thresholds(bounds)
    (thresholds["j"] + thresholds["a"]).backward()
    assert bounds["a"].grad == 1 and bounds["b"].grad > 1
