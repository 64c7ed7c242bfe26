"""Tiny exports of semantic segmentation and depth: the tails that Ultralytics writes, on a few convolutions.

model = tiny_semantic(num_classes=5, size_wh=(96, 64))
path = save_tiny_map(tmp_path / "tiny.onnx", tiny_depth())
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Nodes = list[onnx.NodeProto]


def save_tiny_map(path: Path, model: onnx.ModelProto) -> Path:
    onnx.save(model, str(path))
    return path


def tiny_semantic(
    *, num_classes: int = 5, size_wh: tuple[int, int] = (96, 64), tail: str = "ids", opset: int = 18, seed: int = 0
) -> onnx.ModelProto:
    """A class for every pixel at stride 8: "ids" as uint8, "scores" as the upsampled logits, "cut" ends in the head."""
    width, height = size_wh
    head, stride, weights = _backbone(num_classes, 3, opset, seed)
    scales = numpy_helper.from_array(np.array([1, 1, stride, stride], np.float32), "scales")
    resize = helper.make_node(
        "Resize", ["head", "", "scales"], ["full"], "/head/Resize",
        mode="linear", coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
    argmax = helper.make_node("ArgMax", ["full"], ["ids"], "/head/ArgMax", axis=1, keepdims=0)
    cast = helper.make_node("Cast", ["ids"], ["output0"], "/head/Cast", to=TensorProto.UINT8)
    if tail == "cut":
        output = helper.make_tensor_value_info("head", TensorProto.FLOAT, [1, num_classes, height // 8, width // 8])
        return _model(head, weights, output, size_wh, opset, "semantic", _numbered(num_classes))
    if tail == "scores":
        resize.output[0] = "output0"
        output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, num_classes, height, width])
        nodes = [*head, resize]
    else:
        output = helper.make_tensor_value_info("output0", TensorProto.UINT8, [1, height, width])
        nodes = [*head, resize, argmax, cast]
    return _model(nodes, [*weights, scales], output, size_wh, opset, "semantic", _numbered(num_classes))


def tiny_depth(
    *,
    size_wh: tuple[int, int] = (96, 64),
    activation: str = "exp",
    resize_first: bool = True,
    factor: float = 1.0,
    limits: tuple[float, float] | None = None,
    align_corners: bool = False,
    ultralytics: bool = False,
    opset: int = 18,
    seed: int = 0,
) -> onnx.ModelProto:
    """A depth for every pixel at stride 4: activation ("exp", "sigmoid", ""), factor, limits, upsampled.

    ultralytics: the tail of yolo26-depth instead: exp(1.1 * clip(raw, -4, 5) + 0.2), upsampled by its corners.
    """
    width, height = size_wh
    nodes, stride, weights = _backbone(1, 2, opset, seed)
    tensors = {
        "scales": np.array([1, 1, stride, stride], np.float32),
        "factor": np.float32(factor),
        "low": np.float32(limits[0] if limits else 0),
        "high": np.float32(limits[1] if limits else 0),
    }
    mode = "align_corners" if align_corners or ultralytics else "half_pixel"
    resize = ("Resize", ["", "scales"], {"mode": "linear", "coordinate_transformation_mode": mode})
    steps: list[tuple[str, list[str], dict[str, Any]]] = [
        *([(activation.capitalize(), [], {})] if activation else []),
        *([("Mul", ["factor"], {})] if factor != 1 else []),
        *([("Clip", ["low", "high"], {})] if limits else []),
    ]
    steps = [resize, *steps] if resize_first else [*steps, resize]
    if ultralytics:
        tensors |= {
            "low": np.float32(-4),
            "high": np.float32(5),
            "gain": np.full(1, 1.1, np.float32),
            "shift": np.full(1, 0.2, np.float32),
        }
        steps = [("Clip", ["low", "high"], {}), ("Mul", ["gain"], {}), ("Add", ["shift"], {}), ("Exp", [], {}), resize]
    value = "head"
    for i, (op, inputs, attributes) in enumerate(steps):
        made = "output0" if i == len(steps) - 1 else f"step_{i}"
        nodes.append(helper.make_node(op, [value, *inputs], [made], f"/head/{op}_{i}", **attributes))
        value = made
    used = {name for node in nodes for name in node.input}
    weights += [numpy_helper.from_array(np.asarray(v), name) for name, v in tensors.items() if name in used]
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 1, height, width])
    return _model(nodes, weights, output, size_wh, opset, "depth", "{0: 'depth'}")


def _numbered(count: int) -> str:
    return str({i: f"kind {i}" for i in range(count)})


def _backbone(channels: int, halvings: int, opset: int, seed: int) -> tuple[Nodes, int, list[onnx.TensorProto]]:
    """Strided 3x3 convolutions with SiLU, then a 1x1 convolution that makes "head"."""
    rng, nodes, weights = np.random.default_rng(seed), [], []
    value, width = "images", 3
    for i in range(halvings + 1):
        last = i == halvings
        out, kernel = (channels, 1) if last else (8, 3)
        fan = width * kernel * kernel
        weight = rng.normal(0, (3.0 if last else 1.8) / np.sqrt(fan), (out, width, kernel, kernel))
        weights.append(numpy_helper.from_array(weight.astype(np.float32), f"w{i}"))
        weights.append(numpy_helper.from_array(rng.normal(0, 0.2, out).astype(np.float32), f"b{i}"))
        made = "head" if last else f"conv_{i}"
        nodes.append(
            helper.make_node(
                "Conv",
                [value, f"w{i}", f"b{i}"],
                [made],
                f"/model.{i}/conv/Conv",
                kernel_shape=[kernel, kernel],
                strides=[1, 1] if last else [2, 2],
                pads=[kernel // 2] * 4,
            )
        )
        if not last:
            nodes.append(helper.make_node("Sigmoid", [made], [f"sigmoid_{i}"], f"/model.{i}/act/Sigmoid"))
            nodes.append(helper.make_node("Mul", [made, f"sigmoid_{i}"], [f"act_{i}"], f"/model.{i}/act/Mul"))
            value, width = f"act_{i}", out
    return nodes, 2**halvings, weights


def _model(
    nodes: Nodes,
    weights: list[onnx.TensorProto],
    output: onnx.ValueInfoProto,
    size_wh: tuple[int, int],
    opset: int,
    task: str,
    names: str,
) -> onnx.ModelProto:
    width, height = size_wh
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height, width])
    graph = helper.make_graph(nodes, "main_graph", [image], [output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="pytorch")
    model.ir_version = 8
    suffix = {"semantic": "sem", "depth": "depth"}[task]
    helper.set_model_props(
        model,
        {
            "description": f"Ultralytics YOLO26n-{suffix} model", "task": task, "stride": "32",
            "imgsz": f"[{height}, {width}]", "names": names,
        },
    )  # fmt: skip
    onnx.checker.check_model(model)
    return model
