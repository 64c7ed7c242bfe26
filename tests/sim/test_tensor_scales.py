"""Units of intermediate tensors: along convolutions, sums, tables and back from the outputs."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.sim.graph import load_graph
from edgekit.sim.tensor_scales import tensor_scales
from tests.sim.synthetic import NodeSpec, graph_bytes

SHAPE = (1, 2, 2, 1)


def conv(name: str, source: str, **attributes: object) -> NodeSpec:
    constants = {
        f"{name}w": np.ones((1, 1, 1, 1), np.int8), f"{name}b": np.zeros(1, np.int32), f"{name}s": np.zeros(1, np.int8),
    }  # fmt: skip
    return NodeSpec(
        "HzSQuantizedConv", [source, *constants], [name], {"weight_thresholds": [1.27], **attributes}, constants
    )


def test_units_follow_the_graph_from_both_ends() -> None:
    x = np.arange(-128, 128) * 0.05
    swish = x / (1 + np.exp(-x))
    out_unit = swish[-1] / 127
    table = np.clip(np.rint(swish / out_unit), -128, 127).astype(np.int8)
    nodes = [
        conv("a", "x", right_shift=[0], scale=[16384], out_shift=[14], output_bit=8),
        conv("c", "a", right_shift=[1], scale=[8192], out_shift=[15], output_bit=8),
        NodeSpec("HzLut", ["t", "table"], ["l"], {"lut_type": "swish"}, {"table": table}),
        conv("h", "q", output_bit=32, high_precision_output=1),
        NodeSpec("HzDequantize", ["h", "u"], ["y"], {"axis": 3}, {"u": np.array([0.003], np.float32)}),
        NodeSpec("HzQuantize", ["f", "v"], ["t"], {"bits": 8}, {"v": np.array([0.05], np.float32)}),
        NodeSpec("HzQuantize", ["f", "r"], ["q"], {"bits": 8}, {"r": np.array([0.3], np.float32)}),
    ]
    order = [nodes[i] for i in (0, 1, 5, 2, 6, 3, 4)]
    inputs = {"x": ("int8", SHAPE), "f": ("float32", SHAPE)}
    outputs = {"c": ("int8", SHAPE), "l": ("int8", SHAPE), "y": ("float32", SHAPE)}
    scales = tensor_scales(load_graph(graph_bytes(order, inputs, outputs)))
    assert scales["a"] == pytest.approx(0.01)  # 1 * 1.27 / 127 * 2^14 / 16384
    assert scales["c"] == pytest.approx(0.01 * 0.01 * 2**16 / 8192)
    assert scales["l"] == pytest.approx(out_unit, rel=1e-3)
    assert scales["h"] == pytest.approx(0.003)
