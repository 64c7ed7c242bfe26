"""Float operators that stay on the CPU: whatever ONNX defines, run by onnxruntime one node at a time.

The vendor's runtime does the same with the nodes that its compiler leaves on the CPU. Where the result is a
correctly rounded float, it is the same everywhere; sums and transcendental functions may differ in the last bit,
so that an element of the HzQuantize behind them may differ by one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import TensorType

OPSET = 11
EXACT = ("Add", "Sub", "Mul", "Div", "Min", "Neg", "Abs", "Relu", "Clip", "Sqrt", "Floor", "Ceil", "ReduceMax",
         "ReduceMin", "MaxPool", "GlobalMaxPool", "LeakyRelu", "PRelu", "Reciprocal")  # fmt: skip
INEXACT = ("Softmax", "LogSoftmax", "MatMul", "Gemm", "Conv", "ConvTranspose", "ReduceSum", "ReduceMean", "Exp",
           "Log", "Sigmoid", "Tanh", "HardSigmoid", "Elu", "Selu", "Softplus", "Pow", "Erf", "Sin", "Cos",
           "AveragePool", "GlobalAveragePool", "BatchNormalization", "InstanceNormalization", "Resize",
           "HardSwish", "ReduceL2", "ReduceProd", "LpNormalization")  # fmt: skip


@dataclass(frozen=True, slots=True)
class FloatOp:
    """One standard operator on floats; `exact` where its result does not depend on who computes it."""

    session: Any  # onnxruntime.InferenceSession
    input_names: tuple[str, ...]
    exact: bool
    outputs: tuple[TensorType, ...]

    def run(self, *operands: np.ndarray) -> Arrays:
        feeds = {name: np.ascontiguousarray(value) for name, value in zip(self.input_names, operands, strict=True)}
        return tuple(self.session.run(None, feeds))


def read_float_op(node: NodeReader) -> FloatOp:
    import onnx
    from onnx import helper

    names, feeds, types = [], {}, []
    dtypes = {"float32": onnx.TensorProto.FLOAT, "int64": onnx.TensorProto.INT64}
    for index, name in enumerate(node.inputs):
        local = f"x{index}" if name else ""
        names.append(local)
        if name:
            operand = node.operand(index, tuple(dtypes))
            feeds[local] = node.known_value(index, np.ones(operand.shape, operand.dtype))
            types.append(helper.make_tensor_value_info(local, dtypes[operand.dtype.name], operand.shape))
    outputs = [f"y{i}" if name else "" for i, name in enumerate(node.outputs)]
    proto = helper.make_node(node.op_type, names, outputs, **node.all_attributes())
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph([proto], "node", types, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=6)
    session = _session(node, model.SerializeToString())
    try:
        trial = session.run(None, feeds)
    except Exception as error:  # onnxruntime raises its own classes, all derived from Exception
        raise node.error(f"onnxruntime cannot run it ({error})", "operands that fit the operator") from error
    made = tuple(TensorType(value.shape, value.dtype) for value in trial)
    return FloatOp(session, tuple(feeds), node.op_type in EXACT, made)


def _session(node: NodeReader, model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise node.error(f"onnxruntime refuses it ({error})", "an operator of opset 11") from error
