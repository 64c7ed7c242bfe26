"""One operator application of a quantized graph, and how it is read: checked, and charged to the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.sim.budget import Budget
from edgekit.sim.graph_proto import attribute_values
from edgekit.sim.ops.cost import operator_cost
from edgekit.sim.ops.float_op import FloatOp
from edgekit.sim.ops.operator import Operator
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.registry import OPERATORS
from edgekit.sim.tensor import TensorType
from edgekit.text import shorten

MAX_RANK = 16  # numpy has 32


@dataclass(frozen=True, slots=True)
class Node:
    """One operator application: `operands` are the inputs that its `operator` takes at run time."""

    op_type: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    operands: tuple[str, ...]
    operator: Operator


def node_name(proto: Any, index: int) -> str:
    """The name of a NodeProto, or one made of its operator and place where it has none."""
    name: str = proto.name  # bytes where it is not UTF-8, which a graph refuses
    return name or f"{proto.op_type}_{index}"


def read_node(
    proto: Any, index: int, types: Mapping[str, TensorType], constants: Mapping[str, np.ndarray], budget: Budget
) -> Node:
    """Read a NodeProto.

    Args:
        proto: The NodeProto.
        index: Its place in the graph.
        types: What every tensor known so far is, constants included.
        constants: The values of the initializers.
        budget: What the node's cost is added to.

    Raises:
        ModelError: with the node's name, where it could not be executed exactly as meant, or costs too much.
    """
    name = node_name(proto, index)
    domain = "" if proto.domain in ("", "ai.onnx") else proto.domain
    read = OPERATORS.get((domain, proto.op_type))
    if read is None:
        operator_name = f"{domain + '.' if domain else ''}{proto.op_type}"
        raise ModelError(
            f"node {shorten(name, 200)} is of the unknown operator {shorten(operator_name)[1:-1]}",
            hint="see edgekit/sim/ops/registry.py for the operators there are; is this a *_quantized_model.onnx?",
        )
    reader = NodeReader(
        op_type=proto.op_type,
        name=name,
        inputs=proto.input,
        outputs=proto.output,
        attributes=attribute_values(proto, name),
        types=types,
        constants=constants,
        budget=budget,
    )
    _require_tensors(reader, types)
    operator = _read_operator(read, reader)
    reader.finish()
    _require_outputs(reader, operator)
    if not isinstance(operator, FloatOp):  # those were charged before their trial run
        cost = operator_cost(operator, [types[operand] for operand in reader.operands])
        budget.spend(name, operator.outputs, cost)
    return Node(
        op_type=proto.op_type,
        domain=domain,
        name=name,
        inputs=reader.inputs,
        outputs=reader.outputs,
        attributes=MappingProxyType(attribute_values(proto, name)),
        operands=tuple(reader.operands),
        operator=operator,
    )


def _require_tensors(reader: NodeReader, types: Mapping[str, TensorType]) -> None:
    """Check that the node reads what was written before it, and writes what nothing else does."""
    missing = [tensor for tensor in reader.inputs if tensor and tensor not in types]
    repeated = [tensor for tensor in reader.outputs if tensor in types]
    reader.require(not missing, f"it reads {missing[:1]}", "a tensor that an earlier node writes")
    reader.require(not repeated, f"it writes {repeated[:1]}", "a tensor that nothing else writes")
    distinct = len(set(reader.outputs)) == len(reader.outputs) and "" not in reader.outputs
    reader.require(distinct, f"it writes {shorten(list(reader.outputs))}", "outputs of different names")


def _require_outputs(reader: NodeReader, operator: Operator) -> None:
    """Check number and shapes of the results."""
    count = len(operator.outputs)
    reader.require(len(reader.outputs) == count, f"{len(reader.outputs)} outputs", f"{count}")
    for output in operator.outputs:
        reader.require(output.size > 0, f"an output of shape {list(output.shape)}", "at least one element")
        reader.require(len(output.shape) <= MAX_RANK, f"an output of {len(output.shape)} axes", f"at most {MAX_RANK}")


def _read_operator(read: Callable[[NodeReader], Operator], reader: NodeReader) -> Operator:
    """Read one node; whatever its reader trips over is an error of the graph, named with its node."""
    try:
        return read(reader)
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise reader.error(f"its parameters do not fit each other ({problem[:200]})", "a node that can run") from error
