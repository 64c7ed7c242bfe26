"""Fake quantization: the float model with single tensors rounded to int8 and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.bpu import INT_MAX
from edgekit.graph.session import onnxruntime_session

if TYPE_CHECKING:
    import onnx

__all__ = ["fake_quantized_model", "fake_quantized_session"]

STEPS = ("Div", "Round", "Clip", "Mul")


def fake_quantized_session(path: Path, scales: Mapping[str, float], *, threads: int) -> Any:
    """Open a float model on onnxruntime with some of its tensors fake-quantized.

    Args:
        path: The ONNX file.
        scales: Tensor -> scale of its int8 form.
        threads: Of onnxruntime.

    Returns:
        An onnxruntime.InferenceSession.
    """
    import onnx

    model = fake_quantized_model(onnx.load(path), scales)
    return onnxruntime_session(model.SerializeToString(), threads=threads)


def fake_quantized_model(model: onnx.ModelProto, scales: Mapping[str, float]) -> onnx.ModelProto:
    """Return a copy of a model whose readers of some tensors get them rounded and saturated to int8.

    Args:
        model: A float model.
        scales: Tensor -> scale of its int8 form.

    Returns:
        The copy.
    """
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(model)
    nodes, made = [], {value.name for value in result.graph.input}
    renamed: dict[str, str] = {}
    for node in [None, *model.graph.node]:
        if node is not None:
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            copied.input[:] = [renamed.get(name, name) for name in node.input]
            nodes.append(copied)
            made = set(node.output)
        for name in sorted(made & set(scales)):
            nodes += _fake_quantize(result, name, scales[name])
            renamed[name] = _step(name, STEPS[-1])
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result


def _fake_quantize(model: onnx.ModelProto, name: str, scale: float) -> list[onnx.NodeProto]:
    from onnx import helper, numpy_helper

    constants = {"scale": scale, "low": -INT_MAX[8] - 1, "high": INT_MAX[8]}
    for key, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), _step(name, key)))
    scale_name, low, high = (_step(name, key) for key in constants)
    divided, rounded, clipped, result = (_step(name, step) for step in STEPS)
    return [
        helper.make_node("Div", [name, scale_name], [divided]),
        helper.make_node("Round", [divided], [rounded]),
        helper.make_node("Clip", [rounded, low, high], [clipped]),
        helper.make_node("Mul", [clipped, scale_name], [result]),
    ]


def _step(name: str, step: str) -> str:
    return f"{name}__int8_{step.lower()}"
