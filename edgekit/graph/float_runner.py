"""The float model with its inner tensors exposed, each handed out as soon as it is there and dropped when it was used.

Activations are computed outside onnxruntime, as the vendor's compiler computes them (`single_precision`), so that the
thresholds of both agree to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.graph.session import onnxruntime_session
from edgekit.graph.single_precision import inverse_root, silu

if TYPE_CHECKING:
    import onnx

__all__ = ["FloatRunner"]

THREADS = 2
NODES = 8  # of a segment: its results are in memory together
HINT = "check the model with onnx.checker, or export it again"

Arrays = Mapping[str, np.ndarray]


class FloatRunner:
    """Runs the ONNX file `path` and gives the `tensors` asked for; the model's inputs are none of them."""

    def __init__(self, path: Path, tensors: Sequence[str]) -> None:
        import onnx

        model = onnx.load(path)
        self._inputs = tuple(value.name for value in model.graph.input)
        self._requested = frozenset(tensors) - frozenset(self._inputs)
        made = {name for node in model.graph.node for name in node.output}
        if unknown := sorted(self._requested - made):
            raise ModelError(
                f"{path} has no tensor {unknown[0]!r}, expected one of its {len(made)}",
                hint="make the folder again with edgekit calibrate: the model has changed since",
            )
        self._steps = _steps(_Source(model, path), self._requested)
        self._last_use = {name: i for i, step in enumerate(self._steps) for name in step.inputs}

    def run(self, x: np.ndarray | Arrays) -> Iterator[tuple[str, np.ndarray]]:
        """(name, float32 tensor) for every tensor asked for, in running order.

        `x` is the model's one input, or all of them by name.
        """
        values = dict(x) if isinstance(x, Mapping) else {self._inputs[0]: x}
        for index, step in enumerate(self._steps):
            results = step.run(values)
            yield from ((name, value) for name, value in results.items() if name in self._requested)
            values.update((name, value) for name, value in results.items() if self._last_use.get(name, -1) > index)
            for name in step.inputs:
                if self._last_use[name] == index:
                    values.pop(name, None)


class _Source:
    """A model, and what its segments take of it."""

    def __init__(self, model: onnx.ModelProto, path: Path) -> None:
        nodes = model.graph.node
        self.model, self.path = model, path
        self.weights = {item.name: item for item in model.graph.initializer}
        self.constants = {name: node for node in nodes if node.op_type == "Constant" for name in node.output}
        made = {value.name for value in model.graph.input} | {name for node in nodes for name in node.output}
        self.data = made - self.weights.keys() - self.constants.keys()


@dataclass(frozen=True, slots=True)
class _Activation:
    """One tensor of another, by a function."""

    source: str
    output: str
    function: Callable[[np.ndarray], np.ndarray]

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)

    def run(self, values: Arrays) -> dict[str, np.ndarray]:
        x = values[self.source]
        return {self.output: self.function(np.asarray(x, np.float32)).astype(x.dtype, copy=False)}


@dataclass
class _Segment:
    """Nodes between activations, as a model of its own; opened when it first runs, since types are known then."""

    nodes: list[onnx.NodeProto]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: _Source
    session: Any = field(default=None, init=False)

    def run(self, values: Arrays) -> dict[str, np.ndarray]:
        feeds = {name: values[name] for name in self.inputs}
        if self.session is None:
            self.session = self._opened(feeds)
        return dict(zip(self.outputs, self.session.run(list(self.outputs), feeds), strict=True))

    def _opened(self, feeds: Arrays) -> Any:
        from onnx import TensorProto, helper

        whole, weights = self.source.model, self.source.weights
        read = {name for node in self.nodes for name in _read(node)}
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in feeds.items()
        ]
        outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in self.outputs]
        for value in outputs:
            value.ClearField("type")
        constants = [weights[name] for name in sorted(read & weights.keys())]
        graph = helper.make_graph(self.nodes, whole.graph.name or "graph", inputs, outputs, constants)
        model = helper.make_model(graph, opset_imports=whole.opset_import, ir_version=whole.ir_version)
        try:
            return onnxruntime_session(model.SerializeToString(), threads=THREADS, exact=True)
        except Exception as error:  # onnxruntime raises its own kinds
            reason = str(error).splitlines()[0][:200]
            raise ModelError(f"{self.source.path} cannot be run by onnxruntime: {reason}", hint=HINT) from error


_Step = _Activation | _Segment


def _steps(source: _Source, requested: frozenset[str]) -> list[_Step]:
    """What makes `requested`, in running order."""
    activations = _activations(source.model)
    parts: list[_Activation | list[onnx.NodeProto]] = [[]]
    for node in _needed(source.model, requested, activations):
        part = parts[-1]
        if node.output[0] in activations:
            parts += [activations[node.output[0]], []]
        elif node.op_type == "Constant" and node.output[0] not in requested:
            continue  # whoever reads it takes it along
        elif isinstance(part, list) and len(part) < NODES:
            part.append(node)
        else:
            parts.append([node])
    steps: list[_Step] = []
    kept = set(requested)  # what is read later on
    for part in reversed(parts):
        if part:
            step = part if isinstance(part, _Activation) else _segment(part, kept, source)
            steps.append(step)
            kept |= set(step.inputs)
    return steps[::-1]


def _segment(nodes: list[onnx.NodeProto], kept: set[str], source: _Source) -> _Segment:
    made = {name for node in nodes for name in node.output}
    read = {name for node in nodes for name in _read(node)} - made
    constants = [source.constants[name] for name in sorted(read & source.constants.keys())]
    return _Segment([*constants, *nodes], tuple(sorted(read & source.data)), tuple(sorted(made & kept)), source)


def _activations(model: onnx.ModelProto) -> dict[str, _Activation]:
    """Output -> what makes it: SiLUs, and inverses of square roots."""
    producers = {name: node for node in model.graph.node for name in node.output}
    activations: dict[str, _Activation] = {}
    for node in model.graph.node:
        for name in node.input if node.output else ():
            maker = producers.get(name)
            if maker is None or not maker.input:
                continue
            pair, source = (node.op_type, maker.op_type), maker.input[0]
            if pair == ("Mul", "Sigmoid") and sorted(node.input) == sorted([name, source]):
                activations[node.output[0]] = _Activation(source, node.output[0], silu)
            elif pair == ("Reciprocal", "Sqrt"):
                activations[node.output[0]] = _Activation(source, node.output[0], inverse_root)
    return activations


def _needed(
    model: onnx.ModelProto, requested: frozenset[str], activations: Mapping[str, _Activation]
) -> list[onnx.NodeProto]:
    names, needed = set(requested), []
    for node in reversed(model.graph.node):
        if not names.isdisjoint(node.output):
            needed.append(node)
            activation = activations.get(node.output[0])
            names |= set(_read(node)) if activation is None else {activation.source}
    return needed[::-1]


def _read(node: onnx.NodeProto) -> Iterator[str]:
    """Names that a node reads, also within its branches and loops."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _read(inner)
