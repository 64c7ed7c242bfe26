"""Float operators that stay on the CPU: whatever ONNX defines, run by onnxruntime one node at a time.

The vendor's runtime does the same with the nodes that its compiler leaves on the CPU. Where the result is a
correctly rounded float, it is the same everywhere; sums and transcendental functions may differ in the last bit,
so that an element of the HzQuantize behind them may differ by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.cores import cores
from edgekit.errors import ModelError
from edgekit.graph.session import onnxruntime_session
from edgekit.sim.ops.cost import float_cost
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import HINT, NodeReader
from edgekit.sim.tensor import TensorType
from edgekit.text import shorten

OPSET = 11
SIZED_BY_INPUTS = ("Resize",)
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
    name: str  # of the node, for messages
    exact: bool
    outputs: tuple[TensorType, ...]

    def run(self, *operands: np.ndarray) -> Arrays:
        """Return what onnxruntime makes of the operands."""
        feeds = {name: np.asarray(value, order="C") for name, value in zip(self.input_names, operands, strict=True)}
        return _run(self.session, feeds, f"node {shorten(self.name, 200)}")


def read_float_op(node: NodeReader) -> FloatOp:
    """Read a standard operator on floats; raises ModelError if it cannot be executed exactly."""
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
    _require_inputs(node)
    proto = helper.make_node(node.op_type, names, outputs)
    proto.attribute.extend(helper.make_attribute(key, value) for key, value in node.all_attributes().items())
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph([proto], "node", types, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=6)
    _charge(node, model, feeds)
    session = _session(node, model.SerializeToString())
    trial = _run(session, feeds, f"node {shorten(node.name, 200)}")
    made = tuple(TensorType(value.shape, value.dtype) for value in trial)
    return FloatOp(session, tuple(feeds), node.name, node.op_type in EXACT, made)


def _require_inputs(node: NodeReader) -> None:
    """Refuse inputs left out that the operator needs: onnxruntime does not always look before it reads them."""
    import onnx

    try:
        inputs = onnx.defs.get_schema(node.op_type, OPSET).inputs
    except onnx.defs.SchemaError as error:
        raise node.error(f"opset {OPSET} has no such operator", f"an operator of opset {OPSET}") from error
    for index, name in enumerate(node.inputs):
        formal = inputs[min(index, len(inputs) - 1)]
        left_out = formal.option == onnx.defs.OpSchema.FormalParameterOption.Optional or node.op_type in SIZED_BY_INPUTS
        node.require(name != "" or (index > 0 and left_out), f"input {index} is left out", "a tensor")


def _run(session: Any, feeds: Mapping[str, np.ndarray], location: str) -> Arrays:
    try:
        return tuple(session.run(None, feeds))
    except Exception as error:  # onnxruntime raises its own classes, all derived from Exception
        raise ModelError(
            f"{location}: onnxruntime cannot run it ({shorten(str(error), 300)[1:-1]}), "
            "expected operands that fit the operator",
            hint=HINT,
        ) from error


def _charge(node: NodeReader, model: Any, feeds: Mapping[str, np.ndarray]) -> None:
    """Charge what the node will cost before its trial run, by the sizes that its results will have.

    What decides the size of a result must be a constant: computed in the graph, it could change from run to run.
    """
    import onnx

    if node.op_type in SIZED_BY_INPUTS:
        computed = [name for name in node.inputs[1:] if name and not node.is_constant(name)]
        node.require(not computed, f"its sizes come from {computed[:1]}", "scales or sizes that are constants")
    known = onnx.ModelProto()
    known.CopyFrom(model)
    for name, value in feeds.items():
        if value.size <= 8:  # scales and sizes, of which shapes follow
            known.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    try:
        inferred = onnx.shape_inference.infer_shapes(known, data_prop=True).graph.output
    except Exception as error:  # onnx raises classes of its own
        problem = shorten(str(error), 300)[1:-1]
        raise node.error(f"its result has no shape ({problem})", "operands that fit the operator") from error
    shapes = [tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in inferred]
    outputs = [TensorType(shape, np.dtype(np.float32)) for shape in shapes]
    operands = [value.shape for value in feeds.values()]
    made = sum(output.size for output in outputs)
    node.budget.spend(node.name, outputs, float_cost(node.op_type, node.all_attributes(), operands, made))


def _session(node: NodeReader, model: bytes) -> Any:
    try:
        return onnxruntime_session(model, threads=min(2, cores()))
    except Exception as error:  # as above
        raise node.error(
            f"onnxruntime refuses it ({shorten(str(error), 300)[1:-1]})", "an operator of opset 11"
        ) from error
