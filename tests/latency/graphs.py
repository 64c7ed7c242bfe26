"""Small integer graphs with the layers that the latency tests need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.sim.synthetic import NodeSpec, graph_bytes


def conv_node(
    name: str,
    source: str,
    target: str,
    channels: tuple[int, int],
    *,
    kernel: int = 1,
    stride: int = 1,
    group: int = 1,
    bits: int = 8,
) -> NodeSpec:
    """A convolution of (read, written) channels; 32 bits are the accumulator itself."""
    read, written = channels
    attributes: dict[str, Any] = {
        "kernel_shape": [kernel, kernel],
        "strides": [stride, stride],
        "pads": [kernel // 2] * 4,
        "group": group,
        "right_shift": [0] * written,
        "scale": [1] * written,
        "out_shift": [0] * written,
        "output_bit": bits,
        "high_precision_output": int(bits == 32),
        "data_format": "NHWC",
    }
    constants = {
        f"{name}_w": np.ones((written, kernel, kernel, read // group), np.int8),
        f"{name}_b": np.zeros(written, np.int32),
        f"{name}_s": np.zeros(written, np.int8),
    }
    return NodeSpec("HzSQuantizedConv", [source, *constants], [target], attributes, constants, name)


def requantize_node(source: str, target: str, channels: int, *, bits: int = 8) -> NodeSpec:
    scales = {"output_scale": [1] * channels, "output_right_shift": [1] * channels}
    return NodeSpec("HzRequantize", [source], [target], {"axis": 3, "bits": bits, "method": "Rescale", **scales})


def dequantize_node(source: str, target: str) -> NodeSpec:
    return NodeSpec(
        "HzDequantize", [source, f"{target}_u"], [target], {"axis": 3}, {f"{target}_u": np.array([0.5], np.float32)}
    )


def chain(nodes: Sequence[NodeSpec], shape: Sequence[int], output: tuple[str, str, Sequence[int]]) -> bytes:
    """The ONNX bytes of nodes over one int8 input `x`; `output` is (name, dtype, shape)."""
    name, dtype, sizes = output
    return graph_bytes(nodes, {"x": ("int8", shape)}, {name: (dtype, sizes)})


def two_convs(side: int = 40, channels: int = 64, *, bits: int = 8) -> bytes:
    """Two 3x3 convolutions and a head of 32 bits, dequantized."""
    nodes = [
        conv_node("first", "x", "a", (channels, channels), kernel=3, bits=bits),
        conv_node("second", "a", "b", (channels, channels), kernel=3),
        conv_node("head", "b", "c", (channels, 80), bits=32),
        dequantize_node("c", "out"),
    ]
    return chain(nodes, (1, side, side, channels), ("out", "float32", (1, side, side, 80)))
