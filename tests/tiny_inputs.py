"""Small networks that take more than one image, or none: self-made, with random weights and raw outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 32


class _Net:
    """Nodes and weights as they are added."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def conv(self, x: str, y: str, inputs: int, count: int, k: int = 3, **attrs: Any) -> str:
        """A convolution with Relu behind it; returns its output."""
        deviation = 1.4 / np.sqrt(inputs * k * k)
        self.constants[f"{y}_w"] = self.rng.normal(0, deviation, (count, inputs, k, k)).astype(np.float32)
        self.constants[f"{y}_b"] = self.rng.normal(0.1, 0.1, count).astype(np.float32)
        self.add("Conv", [x, f"{y}_w", f"{y}_b"], f"{y}_linear", pads=[k // 2] * 4, **attrs)
        return self.add("Relu", [f"{y}_linear"], y)

    def linear(self, x: str, y: str, inputs: int, count: int) -> str:
        """A product with a vector; returns its output."""
        self.constants[f"{y}_w"] = self.rng.normal(0, 1.2 / np.sqrt(inputs), (count, inputs)).astype(np.float32)
        self.constants[f"{y}_b"] = self.rng.normal(0, 0.1, count).astype(np.float32)
        return self.add("Gemm", [x, f"{y}_w", f"{y}_b"], y, transB=1)

    def add(self, op: str, inputs: list[str], output: str, **attrs: Any) -> str:
        """A node of one output; returns its name."""
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attrs))
        return output

    def save(self, path: Path, inputs: Mapping[str, list[int]], outputs: Mapping[str, list[int]]) -> Path:
        """Write the network; returns `path`."""
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), str(path))
        return path


def image_and_vector(path: Path) -> Path:
    """An image (1, 3, 32, 32) whose channels a vector (1, 12) gates; vector and pooled features give scores."""
    net = _Net(1)
    features = net.conv(net.conv("image", "stem", 3, 8, strides=[2, 2]), "inner", 8, 8)
    state = net.add("Relu", [net.linear("state", "embedded", 12, 16)], "embedding")
    net.constants["sides"] = np.array([1, 8, 1, 1], np.int64)
    gate = net.add("Sigmoid", [net.add("Reshape", [net.linear(state, "gate", 16, 8), "sides"], "gate_map")], "open")
    gated = net.add("Mul", [features, gate], "gated")
    net.add("GlobalAveragePool", [net.conv(gated, "map", 8, 6)], "pooled")
    flat = net.add("Flatten", ["pooled"], "flat", axis=1)
    net.linear(net.add("Concat", [flat, state], "joined", axis=1), "scores", 22, 5)
    half = SIDE // 2
    return net.save(
        path, {"image": [1, 3, SIDE, SIDE], "state": [1, 12]}, {"map": [1, 6, half, half], "scores": [1, 5]}
    )


def featuremap(path: Path) -> Path:
    """A featuremap (1, 6, 16, 16) alone, of both signs."""
    net = _Net(2)
    net.conv(net.conv("features", "inner", 6, 8), "map", 8, 4)
    return net.save(path, {"features": [1, 6, 16, 16]}, {"map": [1, 4, 16, 16]})


def two_images(path: Path) -> Path:
    """Two images, the second of half the size, whose features meet."""
    net = _Net(3)
    large = net.conv("left", "large", 3, 8, strides=[2, 2])
    net.conv(net.add("Concat", [large, net.conv("right", "small", 3, 8)], "both", axis=1), "map", 16, 4)
    half = SIDE // 2
    inputs = {"left": [1, 3, SIDE, SIDE], "right": [1, 3, half, half]}
    return net.save(path, inputs, {"map": [1, 4, half, half]})


def gray(path: Path) -> Path:
    """One image of one channel; no row of `NETS`, since images feed it as any other."""
    net = _Net(4)
    net.conv(net.conv("pixels", "inner", 1, 8, strides=[2, 2]), "map", 8, 4)
    return net.save(path, {"pixels": [1, 1, SIDE, SIDE]}, {"map": [1, 4, SIDE // 2, SIDE // 2]})


NETS: dict[str, Callable[[Path], Path]] = {
    "image_and_vector": image_and_vector,
    "featuremap": featuremap,
    "two_images": two_images,
}
