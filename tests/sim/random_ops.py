"""Nodes with random legal parameters, drawn so that saturation, wrap-around and ties all happen.

The ranges are those in which the vendor's executor runs the operator at all, so that the same nodes serve for
comparing executions with each other and with the vendor's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.sim.synthetic import NodeSpec, graph_bytes

SIDE, CHANNELS = 12, 3  # the vendor's command takes images of three channels
SHAPE_NHWC = (1, SIDE, SIDE, CHANNELS)
LAYOUT = {"data_format": "NHWC"}

Made = tuple[list[str], dict[str, Any], dict[str, np.ndarray], str, tuple[int, ...]]  # ins, attrs, consts, dtype, shape


class Draw:
    """A seeded source of parameters."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def one(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high))

    def many(self, count: int, low: int, high: int) -> list[int]:
        return [self.one(low, high) for _ in range(count)]

    def array(self, shape: tuple[int, ...], dtype: str, low: int | None = None, high: int | None = None) -> np.ndarray:
        limits = np.iinfo(dtype)
        low, high = limits.min if low is None else low, limits.max + 1 if high is None else high
        return self.rng.integers(low, high, shape).astype(dtype)


def add(draw: Draw, index: int) -> Made:
    bits = (8, 16)[index % 2]
    sources = (("a", "b"), ("wide", "a"), ("a", "wide"), ("wide", "wide"))[index // 2 % 4]
    attributes = {
        "x_shift": draw.many(CHANNELS, 0, 16),
        "e_scale": draw.many(CHANNELS, -30000, 30000),
        "e_shift": draw.many(CHANNELS, 0, 8),
        "accu_right_shift": draw.many(CHANNELS, 0, 14),
        "output_scale": draw.many(CHANNELS, 1, 32767),
        "output_right_shift": draw.many(CHANNELS, 8, 24),
        "rounding_method": "FLOOR" if bits == 8 and index % 3 == 0 else "ROUND",
        "output_bit": bits,
    }
    return list(sources), attributes, {}, f"int{bits}", SHAPE_NHWC


def sub(draw: Draw, index: int) -> Made:
    sources, attributes, constants, dtype, shape = add(draw, index)
    del attributes["e_shift"]
    for name in ("x_shift", "e_scale", "accu_right_shift", "output_scale", "output_right_shift"):
        attributes[name] = attributes[name][:1]
    return sources, attributes, constants, dtype, shape


def mul(draw: Draw, index: int) -> Made:
    sources, attributes, constants, dtype, shape = sub(draw, index)
    del attributes["x_shift"], attributes["e_scale"]
    if index % 7 == 3:
        attributes["add_rounding_bias"] = 1
    return sources, attributes, constants, dtype, shape


def reduce(draw: Draw, index: int) -> Made:
    bits, axis = (8, 16)[index % 2], (1, 2, 3)[index % 3]
    attributes = {
        "axis": axis,
        "output_bit": bits,
        "accu_right_shift": [draw.one(0, 8)] * CHANNELS,
        "scale": [draw.one(1, 32767)] * CHANNELS,
        "out_shift": [draw.one(8, 22)] * CHANNELS,
    }
    shape = tuple(1 if i == axis else size for i, size in enumerate(SHAPE_NHWC))
    return ["a"], attributes, {}, f"int{bits}", shape


def global_average(draw: Draw, index: int) -> Made:
    bits = (8, 16)[index % 2]
    attributes = {
        "accu_right_shift": draw.many(CHANNELS, 0, 9),
        "output_scale": draw.many(CHANNELS, 1, 32767),
        "output_right_shift": draw.many(CHANNELS, 8, 24),
        "rounding_method": "ROUND",
        "output_bit": bits,
    }
    return ["a"], attributes, {}, f"int{bits}", (1, 1, 1, CHANNELS)


def conv(draw: Draw, index: int) -> Made:
    bits, kernel = (8, 16, 32)[index % 3], (1, 3, 2)[index % 5 % 3]
    stride, dilation, pads = draw.one(1, 3), draw.one(1, 3), draw.many(4, 0, 3)
    outputs = (7, 16, 33)[index % 4 % 3]
    source = "wide" if index % 4 == 2 else "a"
    constants = {
        f"w{index}": draw.array((outputs, kernel, kernel, CHANNELS), "int8"),
        f"b{index}": draw.array((outputs,), "int32", *((-30000, 30000) if index % 4 else (None, None))),
        f"s{index}": draw.array((outputs,), "int8", -3, 8) if index % 5 == 0 else np.zeros(outputs, np.int8),
    }
    attributes: dict[str, Any] = {
        "kernel_shape": [kernel, kernel],
        "strides": [stride, stride],
        "pads": pads,
        "dilations": [dilation, dilation],
        "group": 1,
        "use_bias": int(index % 6 != 5),
        "output_bit": bits,
        "high_precision_output": int(bits == 32),
        "weight_thresholds": [1.0] * outputs,
    }
    if bits != 32:
        wild = (-(2**31), 2**31) if index % 8 == 4 else (-32768, 32767)
        attributes |= {
            "right_shift": draw.many(outputs, 0, 14),
            "scale": draw.many(outputs, *wild),
            "out_shift": draw.many(outputs, 0, 26),
        }
    if index % 4 == 1:
        attributes["activation"] = "relu"
    reach = dilation * (kernel - 1) + 1
    height, width = ((SIDE + pads[i] + pads[i + 2] - reach) // stride + 1 for i in (0, 1))
    return [source, *constants], attributes, constants, f"int{bits}", (1, height, width, outputs)


def depthwise(draw: Draw, index: int) -> Made:
    source = ("a", "wide")[index % 2]
    constants = {
        f"w{index}": draw.array((CHANNELS, 3, 3, 1), "int8"),
        f"b{index}": draw.array((CHANNELS,), "int32", -30000, 30000),
        f"s{index}": np.zeros(CHANNELS, np.int8),
    }
    attributes = {
        "kernel_shape": [3, 3],
        "strides": [1, 1],
        "pads": [1, 1, 1, 1],
        "group": CHANNELS,
        "use_bias": 1,
        "output_bit": 8,
        "high_precision_output": 0,
        "right_shift": draw.many(CHANNELS, 0, 10),
        "scale": draw.many(CHANNELS, 1, 32767),
        "out_shift": draw.many(CHANNELS, 12, 24),
    }
    return [source, *constants], attributes, constants, "int8", SHAPE_NHWC


def conv_transpose(draw: Draw, index: int) -> Made:
    outputs, kernel, stride = 4, draw.one(1, 4), draw.one(1, 4)
    pads = [0, 0, 0, 0] if index % 2 else draw.many(4, 0, kernel)
    constants = {
        f"w{index}": draw.array((CHANNELS, kernel, kernel, outputs), "int8"),
        f"b{index}": draw.array((outputs,), "int32", -30000, 30000),
    }
    attributes = {
        "kernel_shape": [kernel, kernel],
        "strides": [stride, stride],
        "pads": pads,
        "dilations": [1, 1],
        "group": 1,
        "use_bias": 1,
        "accu_right_shift": draw.many(outputs, 0, 8),
        "y_quant_scale": draw.many(outputs, 1, 32767),
        "y_right_shift": draw.many(outputs, 8, 22),
        "b_left_shift": [0 if index % 3 else draw.one(0, 6) for _ in range(outputs)],
        "weight_thresholds": [1.0] * outputs,
    }
    height, width = ((SIDE - 1) * stride + kernel - pads[i] - pads[i + 2] for i in (0, 1))
    return ["a", *constants], attributes, constants, "int8", (1, height, width, outputs)


def requantize(draw: Draw, index: int) -> Made:
    bits = (8, 16)[index % 2]
    source = ("a", "wide")[index // 2 % 2]
    uniform = index % 3 == 0
    scales = [draw.one(-32768, 32767)] * CHANNELS if uniform else draw.many(CHANNELS, -32768, 32767)
    shifts = [draw.one(0, 24)] * CHANNELS if uniform else draw.many(CHANNELS, 0, 24)
    attributes = {
        "axis": 3, "bits": bits, "method": "Rescale", "output_scale": scales, "output_right_shift": shifts,
    }  # fmt: skip
    return [source], attributes, {}, f"int{bits}", SHAPE_NHWC


def sprelu(draw: Draw, index: int) -> Made:
    source, dtype = (("a", "int8"), ("wide", "int16"))[index % 2]
    attributes = {
        "positive_scale": [draw.one(1, 32767)] if index % 3 else [1],
        "positive_right_shift": [draw.one(8, 18)] if index % 3 else [0],
        "accu_right_shift": [draw.one(0, 18)],
        "negative_scale": [draw.one(1, 32767)],
        "negative_right_shift": [draw.one(8, 22)],
    }
    constants = {f"slope{index}": draw.array((1, 1, 1, CHANNELS), "int16")}
    return [source, *constants], attributes, constants, dtype, SHAPE_NHWC


def lut2layer(draw: Draw, index: int) -> Made:
    bits, symmetry = (16, 8)[index % 2], ("NONE", "ORIGIN_SYMMETRIC", "Y_SYMMETRIC")[index % 3]
    bound = sorted(draw.many(7, -32768, 32767) if symmetry == "NONE" else draw.many(7, 0, 32767))
    attributes = {
        "lut_type": "swish",
        "output_bit": bits,
        "rounding_method": "ROUND",
        "symmetry_mode": symmetry,
        "bound": [*bound, 32767],
        "scale": draw.many(8, -32768, 32767),
        "bias": draw.many(8, -32768, 32767),
        "left_shift": draw.many(8, 0, 15),
        "right_shift": draw.many(8, 0, 17),
        "table_param": np.clip(np.cumsum(draw.rng.integers(-300, 300, 384)), -32768, 32767).tolist(),
    }
    return ["wide"], attributes, {}, f"int{bits}", SHAPE_NHWC


def matmul(draw: Draw, index: int) -> Made:
    bits = (8, 16)[index % 2]
    attributes = {
        "output_bit": bits,
        "right_shift": [draw.one(0, 8)],
        "scale": [draw.one(1, 32767)],
        "out_shift": [draw.one(8, 22)],
        "rounding_method": "ROUND",
    }
    return ["a", "turned"], attributes, {}, f"int{bits}", (1, SIDE, SIDE, SIDE)


MAKERS: Mapping[str, tuple[str, Callable[[Draw, int], Made]]] = {
    "add": ("HzSElementwiseAdd", add),
    "conv": ("HzSQuantizedConv", conv),
    "conv_transpose": ("HzSQuantizedConvTranspose", conv_transpose),
    "depthwise": ("HzSQuantizedConv", depthwise),
    "global_average": ("HzSQuantizedGlobalAveragePool", global_average),
    "lut2layer": ("HzLut2Layer", lut2layer),
    "matmul": ("HzSQuantizedMatmul", matmul),
    "mul": ("HzSElementwiseMul", mul),
    "reduce_mean": ("HzSQuantizedReduceMean", reduce),
    "reduce_sum": ("HzSQuantizedReduceSum", reduce),
    "requantize": ("HzRequantize", requantize),
    "sprelu": ("HzSPRelu", sprelu),
    "sub": ("HzSElementwiseSub", sub),
}
NO_LAYOUT = ("HzSQuantizedMatmul",)


def random_graph(kind: str, seed: int, count: int = 12) -> bytes:
    """A graph of `count` random nodes of `kind` over the input `x` (int8 NCHW) and what three nodes make of it.

    The nodes read "a" and "b" (int8 NHWC), "wide" (int16) and "turned" ("a" with its last axes swapped); their
    results y0, y1, ... are the outputs.
    """
    draw = Draw(seed)
    op_type, make = MAKERS[kind]
    to_wide = {"output_scale": draw.many(CHANNELS, 100, 256), "output_right_shift": [0] * CHANNELS}
    to_b = {"output_scale": draw.many(CHANNELS, -90, 90), "output_right_shift": [6] * CHANNELS}
    rescaled = {"axis": 3, "method": "Rescale", **LAYOUT}
    nodes = [
        NodeSpec("Transpose", ["x"], ["a"], {"perm": [0, 2, 3, 1]}),
        NodeSpec("HzRequantize", ["a"], ["wide"], {"bits": 16, **to_wide, **rescaled}),
        NodeSpec("HzRequantize", ["a"], ["b"], {"bits": 8, **to_b, **rescaled}),
        NodeSpec("Transpose", ["a"], ["turned"], {"perm": [0, 1, 3, 2]}),
    ]
    outputs = {}
    for index in range(count):
        inputs, attributes, constants, dtype, shape = make(draw, index)
        layout = {} if op_type in NO_LAYOUT else LAYOUT
        nodes.append(NodeSpec(op_type, inputs, [f"y{index}"], {**attributes, **layout}, constants))
        outputs[f"y{index}"] = (dtype, shape)
    return graph_bytes(nodes, {"x": ("int8", (1, CHANNELS, SIDE, SIDE))}, outputs)


def random_input(seed: int) -> dict[str, np.ndarray]:
    """The input of `random_graph`: the whole range, with every extreme in it."""
    values = np.random.default_rng(seed).integers(-128, 128, (1, CHANNELS, SIDE, SIDE)).astype(np.int8)
    values.reshape(-1)[:4] = (-128, 127, 0, -1)
    return {"x": values}
