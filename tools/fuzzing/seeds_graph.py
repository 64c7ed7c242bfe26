"""Intact quantized graphs: every integer operator alone, several behind each other, and whole compiled models."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

SHAPE = (1, 6, 6, 8)
WINDOW = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 0]}
ROWS: tuple[tuple[str, dict[str, Any], tuple[int, ...]], ...] = (  # operator, attributes, shape of the result
    ("HzChannelShuffle", {"group": 2}, SHAPE),
    ("HzDepthToSpace", {"blocksize": 2}, (1, 12, 12, 2)),
    ("HzSpaceToDepth", {"block_height": 2, "block_width": 2}, (1, 3, 3, 32)),
    ("HzLeakyRelu", {"alpha_scale": 13, "alpha_shift": 7}, SHAPE),
    ("HzQuantizedAveragePool", {**WINDOW, "scale": 9}, (1, 3, 3, 8)),
    ("HzQuantizedMaxPool", WINDOW, (1, 3, 3, 8)),
    ("HzQuantizedGlobalMaxPool", {}, (1, 1, 1, 8)),
    ("HzQuantizedReduceMax", {"axis": 3}, (1, 6, 6, 1)),
    ("HzQuantizedResizeUpsample", {"mode": "nearest", "scale": [2, 3]}, (1, 12, 18, 8)),
    ("HzQuantizedRoiResize", {"sizes": [9, 5], "step_decimal_bit": 16}, (1, 9, 5, 8)),
    ("HzQuantizedBitShift", {"direction": "RIGHT", "shift": [1] * 8}, SHAPE),
    ("Transpose", {"perm": [0, 3, 1, 2]}, (1, 8, 6, 6)),
    ("Flatten", {"axis": 1}, (1, 288)),
)


@functools.cache
def quantized_seeds() -> tuple[bytes, ...]:
    """Small graphs, the cheapest first."""
    from tests.sim.random_ops import MAKERS, random_graph
    from tests.sim.random_plans import RandomPlan
    from tests.sim.synthetic import one_op

    x = np.zeros(SHAPE, np.int8)
    alone = [one_op(name, x, attributes, out=("int8", shape)) for name, attributes, shape in ROWS]
    drawn = [random_graph(kind, seed, count) for kind in MAKERS for seed, count in ((1, 1), (2, 4))]
    return (*alone, *_floats(), *drawn, *(RandomPlan(seed).graph() for seed in range(10)), *_compiled())


def _floats() -> tuple[bytes, ...]:
    """Float nodes between the integers, as where a build leaves them to the board's CPU."""
    from tests.sim.synthetic import NodeSpec, graph_bytes

    wide = np.full(8, 0.05, np.float32)
    begin = NodeSpec("HzDequantize", ["x", "d"], ["f"], {"axis": 3}, {"d": wide})
    middles = (
        NodeSpec("Softmax", ["f"], ["g"], {"axis": 3}),
        NodeSpec("Resize", ["f", "roi", "sc"], ["g"], {"mode": "linear"},
                 {"roi": np.zeros(0, np.float32), "sc": np.array([1, 2, 2, 1], np.float32)}),
        NodeSpec("Clip", ["f", "low", "high"], ["g"], {}, {"low": np.float32(-1), "high": np.float32(1)}),
        NodeSpec("Sigmoid", ["f"], ["g"]),
    )  # fmt: skip
    end = NodeSpec("HzQuantize", ["g", "q"], ["y"], {"axis": 3}, {"q": np.array([0.02], np.float32)})
    sizes = [(1, 12, 12, 8) if node.op_type == "Resize" else SHAPE for node in middles]
    return tuple(
        graph_bytes([begin, node, end], {"x": ("int8", SHAPE)}, {"y": ("int8", shape)})
        for node, shape in zip(middles, sizes, strict=True)
    )


def _compiled() -> tuple[bytes, ...]:
    from edgekit.sim.container import read_sim_bin
    from fuzzing import material

    paths = material.built(), material.built("yolo11", "segment")
    return tuple(read_sim_bin(path).graph for path in paths)
