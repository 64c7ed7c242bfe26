"""The float model as the compiler sees it: named nodes, constants and shapes, without ONNX's wire format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.graph.declared_quantization import NOTHING_DECLARED, DeclaredQuantization, read_declared

if TYPE_CHECKING:
    import onnx

SOFTMAX = "softmax"  # attribute of a Softmax's steps: the name of its last node
SPLIT_SOFTMAX = "split_softmax"  # the same of a Softmax whose division is split around the product with values


@dataclass(frozen=True, slots=True)
class FloatNode:
    """One operation. Tensor names are those of the float model, so that every tensor can be compared with it."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any]

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    @property
    def is_softmax_step(self) -> bool:
        """Whether it is one of the operations that `edgekit cut` writes for a Softmax."""
        return not {SOFTMAX, SPLIT_SOFTMAX}.isdisjoint(self.attrs)


@dataclass(frozen=True, slots=True)
class FloatGraph:
    """Nodes in running order; `outputs` maps each graph output's name to the tensor that holds its NHWC data.

    `shapes` are those of the float model (NCHW); `constants` hold weights and folded values. `source` are the nodes
    as the file has them, whatever becomes of `nodes`: a yaml names those. `declared` are the thresholds and grids that
    the file brings along. `more_inputs` are the inputs behind `input`, the first. `made` are tensors that
    passes made, each the reciprocal of one of the file's.
    """

    nodes: tuple[FloatNode, ...]
    constants: Mapping[str, np.ndarray]
    shapes: Mapping[str, tuple[int, ...]]
    input: str
    outputs: Mapping[str, str]
    opset: int = 11
    source: tuple[FloatNode, ...] = ()
    declared: DeclaredQuantization = NOTHING_DECLARED
    more_inputs: tuple[str, ...] = ()
    made: Mapping[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every input, in the file's order."""
        return (self.input, *self.more_inputs)

    def with_nodes(self, nodes: Iterable[FloatNode], **changes: Any) -> FloatGraph:
        """Return the graph with other nodes, and other fields as `changes` say."""
        return replace(self, nodes=tuple(nodes), **changes)

    def producers(self) -> dict[str, FloatNode]:
        """Tensor name -> the node that makes it."""
        return {name: node for node in self.nodes for name in node.outputs}

    def consumers(self) -> dict[str, list[FloatNode]]:
        """Tensor name -> the nodes that read it, each once, in running order."""
        readers: dict[str, list[FloatNode]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers.setdefault(name, []).append(node)
        return readers

    def reached_through(self, tensor: str, moves: Callable[[FloatNode], bool]) -> tuple[str, ...]:
        """Return `tensor` and every tensor that is reached from it through nodes for which `moves` holds."""
        readers, reached = self.consumers(), {tensor: None}
        todo = [tensor]
        while todo:
            for node in readers.get(todo.pop(), ()):
                made = [name for name in node.outputs if name not in reached] if moves(node) else []
                reached.update(dict.fromkeys(made))
                todo += made
        return tuple(reached)


def unsupported(node: FloatNode, what: str, hint: str = "") -> ModelError:
    """The refusal of a node, by name."""
    return ModelError(
        f"node {node.name!r} ({node.op}) {what}, expected an operation that the simulated compiler can quantize",
        hint=hint or "cut the model nearer to its convolutions, or compile with --toolchain hb_mapper",
    )


def read_float_graph(path: Path) -> FloatGraph:
    """Read an ONNX file with static shapes; raises ModelError where it is none or has no input."""
    import onnx
    from onnx import numpy_helper

    from edgekit.graph.onnx_graph import load_model
    from edgekit.graph.soundness import ONNX_DOMAINS

    loaded = load_model(path)
    try:
        model = onnx.shape_inference.infer_shapes(loaded, strict_mode=False)
    except Exception as error:  # onnx raises many kinds
        raise ModelError(
            f"{path} cannot be read as ONNX ({type(error).__name__})", hint="run edgekit cut again"
        ) from error
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    values = [*graph.input, *graph.value_info, *graph.output]
    shapes = {v.name: tuple(int(d.dim_value) for d in v.type.tensor_type.shape.dim) for v in values}
    shapes |= {name: tuple(array.shape) for name, array in constants.items()}
    opset = next((o.version for o in model.opset_import if o.domain in ONNX_DOMAINS), 0)
    nodes = tuple(
        FloatNode(
            name=node.name or f"{node.op_type}_{index}",
            op=node.op_type if node.domain in ONNX_DOMAINS else f"{node.domain}.{node.op_type}",
            inputs=tuple(node.input),
            outputs=tuple(node.output),
            attrs=_attributes(node, shapes),
        )
        for index, node in enumerate(graph.node)
    )
    inputs = [v.name for v in graph.input if v.name not in constants]
    if not inputs:
        raise ModelError(f"{path} has no inputs, expected some", hint="compile a model cut by edgekit cut")
    outputs = {v.name: v.name for v in graph.output}
    return FloatGraph(
        nodes, constants, shapes, inputs[0], outputs, opset, nodes, read_declared(model), tuple(inputs[1:])
    )


def _attributes(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """A node's attributes as plain values; a Transpose without `perm` reverses its axes."""
    from onnx import helper

    attrs = {a.name: _plain(helper.get_attribute_value(a)) for a in node.attribute}
    if node.op_type == "Transpose" and node.input:
        attrs.setdefault("perm", list(range(len(shapes.get(node.input[0], ()))))[::-1])
    return attrs


def _plain(value: Any) -> Any:
    from onnx import TensorProto, numpy_helper

    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return list(value) if isinstance(value, (list, tuple)) else value
