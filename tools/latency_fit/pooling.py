"""A small model around an SPPF block's three poolings: what they take in 16 bits is seen in no larger one alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NAME = re.compile(r"pool-(\d+)x(\d+)x(\d+)")  # height and width of the pooled map, and its channels
STEM = (16, 32, 64, 64)  # channels before the pooled map, each at half the size
KERNEL, POOLINGS = 5, 3


def is_pooling(name: str) -> bool:
    """Whether an export of this name is made here."""
    return NAME.fullmatch(name) is not None


def write_pooling_model(name: str, path: Path) -> None:
    """Write the model that `name` describes, with random weights."""
    match = NAME.fullmatch(name)
    assert match is not None, name
    height, width, channels = map(int, match.groups())
    rng = np.random.default_rng(0)
    nodes, constants = list[onnx.NodeProto](), list[onnx.TensorProto]()

    def conv(source: str, target: str, read: int, written: int, kernel: int, stride: int) -> None:
        weight = rng.normal(0, 1.5 / np.sqrt(read * kernel * kernel), (written, read, kernel, kernel))
        for part, value in (("w", weight), ("b", rng.normal(0, 0.2, written))):
            constants.append(numpy_helper.from_array(value.astype(np.float32), f"{target}_{part}"))
        attributes: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4}
        inputs = [source, f"{target}_w", f"{target}_b"]
        nodes.append(helper.make_node("Conv", inputs, [target], name=f"/{target}/Conv", **attributes))

    source, read = "images", 3
    for index, written in enumerate((*STEM, channels)):
        conv(source, f"conv{index}", read, written, 3, 2)
        nodes.append(helper.make_node("Sigmoid", [f"conv{index}"], [f"gate{index}"], name=f"/gate{index}/Sigmoid"))
        swish = [f"conv{index}", f"gate{index}"]
        nodes.append(helper.make_node("Mul", swish, [f"act{index}"], name=f"/act{index}/Mul"))
        source, read = f"act{index}", written
    maps = [source]
    for index in range(POOLINGS):
        window: dict[str, Any] = {"kernel_shape": [KERNEL] * 2, "strides": [1, 1], "pads": [KERNEL // 2] * 4}
        nodes.append(helper.make_node("MaxPool", maps[-1:], [f"pool{index}"], name=f"/pool{index}/MaxPool", **window))
        maps.append(f"pool{index}")
    nodes.append(helper.make_node("Concat", maps, ["joined"], name="/joined/Concat", axis=1))
    conv("joined", "out", len(maps) * channels, channels, 1, 1)
    scale = 2 ** (len(STEM) + 1)
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height * scale, width * scale])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, channels, height, width])
    model = helper.make_model(
        helper.make_graph(nodes, "pooling", [image], [out], constants), opset_imports=[helper.make_opsetid("", 11)]
    )
    model.ir_version = 6
    onnx.save(onnx.shape_inference.infer_shapes(model), str(path))
