"""The float model with single tensors rounded to 8 bits: what one place alone loses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.bpu import INT_MAX

if TYPE_CHECKING:
    import onnx

STEPS = ("Div", "Round", "Clip", "Mul")


def rounded_session(path: Path, scales: Mapping[str, float], *, threads: int) -> Any:
    """An onnxruntime session of the float model `path`, with each tensor of `scales` as int8 of that unit."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    model = rounded_model(onnx.load(path), scales)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def rounded_model(model: onnx.ModelProto, scales: Mapping[str, float]) -> onnx.ModelProto:
    """A copy of `model` whose readers of each tensor of `scales` get it rounded and saturated to int8."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    nodes, made = [], {value.name for value in copy.graph.input}
    renamed: dict[str, str] = {}
    for node in [None, *model.graph.node]:
        if node is not None:
            own = onnx.NodeProto()
            own.CopyFrom(node)
            own.input[:] = [renamed.get(name, name) for name in node.input]
            nodes.append(own)
            made = set(node.output)
        for name in sorted(made & set(scales)):
            nodes += _rounding(copy, name, scales[name])
            renamed[name] = _step(name, STEPS[-1])
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def _rounding(model: onnx.ModelProto, name: str, scale: float) -> list[onnx.NodeProto]:
    from onnx import helper, numpy_helper

    constants = {"unit": scale, "low": -INT_MAX[8] - 1, "high": INT_MAX[8]}
    for key, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), _step(name, key)))
    unit, low, high = (_step(name, key) for key in constants)
    divided, rounded, clipped, result = (_step(name, step) for step in STEPS)
    return [
        helper.make_node("Div", [name, unit], [divided]),
        helper.make_node("Round", [divided], [rounded]),
        helper.make_node("Clip", [rounded, low, high], [clipped]),
        helper.make_node("Mul", [clipped, unit], [result]),
    ]


def _step(name: str, step: str) -> str:
    return f"{name}__int8_{step.lower()}"
