"""Do all executions give the same integers? Differing elements counted tensor by tensor, per operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.compilation.toolchain.find import Toolchain
from edgekit.progress import Progress, silent
from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.fast.executor import FastExecutor
from edgekit.sim.graph import Graph, GraphOutput, load_graph, strip_dequantize
from edgekit.sim.ops.dequantize import Dequantize
from edgekit.sim.ops.float_op import FloatOp
from edgekit.sim.ops.operator import run_checked
from edgekit.sim.vendor_executor import vendor_tensors
from edgekit.workers import Workers, completed

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class OpCount:
    """All tensors of one operator; `inexact` ones may differ in their last bit (float Softmax and its like)."""

    op_type: str
    tensors: int
    elements: int
    differing: int
    inexact: bool
    largest: float  # the largest absolute difference


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two executions against each other over all frames; `kind` says which."""

    kind: str
    ops: tuple[OpCount, ...]

    @property
    def elements(self) -> int:
        """Number of elements compared."""
        return sum(op.elements for op in self.ops)

    @property
    def differing(self) -> int:
        """Elements that differ and must not."""
        return sum(op.differing for op in self.ops if not op.inexact)

    @property
    def tolerated(self) -> int:
        """Elements of inexact float operators that differ."""
        return sum(op.differing for op in self.ops if op.inexact)


class _DifferenceCounter:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._rows: dict[tuple[str, bool], list[float]] = {}

    def add(self, op_type: str, expected: np.ndarray, actual: np.ndarray, *, inexact: bool = False) -> None:
        row = self._rows.setdefault((op_type, inexact), [0, 0, 0, 0.0])
        row[0] += 1
        row[1] += expected.size
        if expected.shape != actual.shape or expected.dtype != actual.dtype:
            row[2] += expected.size
            row[3] = float("inf")
            return
        differs = ~((expected == actual) | (_nan(expected) & _nan(actual)))
        count = int(np.count_nonzero(differs))
        row[2] += count
        if count:
            gap = np.abs(expected[differs].astype(np.float64) - actual[differs].astype(np.float64))
            row[3] = max(row[3], float(gap.max()))

    def merge(self, added: _DifferenceCounter) -> None:
        """Add the counts of other frames."""
        for key, (tensors, elements, differing, largest) in added._rows.items():
            row = self._rows.get(key, [0, 0, 0, 0.0])
            self._rows[key] = [row[0] + tensors, row[1] + elements, row[2] + differing, max(row[3], largest)]

    def comparison(self) -> Comparison:
        rows = sorted(self._rows.items())
        return Comparison(
            self.kind,
            tuple(OpCount(op, int(r[0]), int(r[1]), int(r[2]), inexact, r[3]) for (op, inexact), r in rows),
        )


def _nan(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)


def verify_graph(
    graph: Graph,
    frames: Sequence[Tensors],
    *,
    source: Path | bytes | None = None,
    toolchain: Toolchain | None = None,
    workers: Workers | None = None,
    progress: Progress = silent,
) -> tuple[Comparison, ...]:
    """Compare on every frame: fast with reference, as it runs and tensor by tensor; with a toolchain, the vendor.

    Args:
        graph: The integer graph.
        frames: Inputs as ReferenceExecutor.run takes them.
        source: The graph's file or bytes, for the vendor's executor and for workers.
        toolchain: Every operator is compared with its executor, too, on the vendor's own operands, so that a difference
            shows at the node that makes it and nowhere else.
        workers: Where frames are compared; None: in this process. The result is the same.
        progress: Called with stage, done and total.

    Returns:
        One comparison per pair of executions.
    """
    counters = _counters(toolchain)
    if workers is None or workers.at_once == 1 or source is None:
        _verify_frames(graph, frames, counters, source, toolchain, progress)
    else:
        location = source.absolute() if isinstance(source, Path) else source
        tasks = [_FrameTask(location, inputs, toolchain) for inputs in frames]
        for done, (_, counted) in enumerate(completed(workers, _verify_frame, tasks), 1):
            for counter, added in zip(counters, counted, strict=True):
                counter.merge(added)
            progress("frames", done, len(frames))
    return tuple(counter.comparison() for counter in counters)


@dataclass(frozen=True, slots=True)
class _FrameTask:
    source: Path | bytes
    inputs: Tensors
    toolchain: Toolchain | None


def _verify_frame(task: _FrameTask) -> list[_DifferenceCounter]:
    """Compare one frame where a worker is."""
    counters = _counters(task.toolchain)
    _verify_frames(load_graph(task.source), [task.inputs], counters, task.source, task.toolchain, silent)
    return counters


def _counters(toolchain: Toolchain | None) -> list[_DifferenceCounter]:
    kinds = ["fast, as it runs, against the reference", "fast, tensor by tensor, against the reference"]
    return [
        _DifferenceCounter(kind)
        for kind in (*kinds, *(["reference against the vendor's executor"] if toolchain else []))
    ]


def _verify_frames(
    graph: Graph,
    frames: Sequence[Tensors],
    counters: Sequence[_DifferenceCounter],
    source: Path | bytes | None,
    toolchain: Toolchain | None,
    progress: Progress,
) -> None:
    raw = raw_outputs(graph)
    fast, fast_raw, reference = make_executor(graph), make_executor(raw), ReferenceExecutor(graph)
    tensors = [name for node in graph.nodes for name in node.outputs]
    for done, inputs in enumerate(frames):
        progress("frames", done, len(frames))
        if isinstance(fast, FastExecutor):
            expected = reference.run(inputs, tensors)
            _compare(graph, expected, fast.run(inputs), counters[0])
            unfolded = {output.tensor: actual for output, actual in _by_output(raw, fast_raw.run(inputs))}
            _compare(graph, expected, unfolded, counters[0])
            _compare(graph, expected, fast.run(inputs, tensors), counters[1])
        if toolchain and source is not None:
            vendor = {**vendor_tensors(source, graph, inputs, toolchain=toolchain), **inputs}
            _compare_nodes(graph, vendor, counters[2])
    progress("frames", len(frames), len(frames))


def compare_integers(kind: str, expected: Tensors, actual: Tensors) -> Comparison:
    """Two sets of outputs, element by element."""
    counter = _DifferenceCounter(kind)
    for name in expected:
        counter.add(name, expected[name], actual[name])
    return counter.comparison()


def raw_outputs(graph: Graph) -> Graph:
    """`graph` with its outputs as the integers before their HzDequantize."""
    names = [n.name for n in graph.nodes if isinstance(n.operator, Dequantize) and n.outputs[0] in graph.outputs]
    return strip_dequantize(graph, names)


def _compare(graph: Graph, expected: Tensors, actual: Tensors, counter: _DifferenceCounter) -> None:
    for name, value in actual.items():
        counter.add(_producer_type(graph, name), expected[name], value)


def _by_output(graph: Graph, tensors: Tensors) -> Iterator[tuple[GraphOutput, np.ndarray]]:
    for output in graph.outputs.values():
        yield output, tensors[output.name]


def _compare_nodes(graph: Graph, vendor: Tensors, counter: _DifferenceCounter) -> None:
    for node in graph.nodes:
        operands = [graph.constants[n] if n in graph.constants else vendor[n] for n in node.operands]
        inexact = isinstance(node.operator, FloatOp) and not node.operator.exact
        for name, actual in zip(node.outputs, run_checked(node.name, node.operator, *operands), strict=True):
            counter.add(node.op_type, vendor[name], np.asarray(actual), inexact=inexact)


def _producer_type(graph: Graph, tensor: str) -> str:
    return graph.producers[tensor].op_type if tensor in graph.producers else "input"


def comparison_to_dict(comparison: Comparison) -> dict[str, Any]:
    """As plain JSON values."""
    return {
        "kind": comparison.kind,
        "elements": comparison.elements,
        "differing": comparison.differing,
        "tolerated": comparison.tolerated,
        "ops": [
            {
                "op_type": op.op_type,
                "tensors": op.tensors,
                "elements": op.elements,
                "differing": op.differing,
                "inexact": op.inexact,
                "largest": op.largest,
            }
            for op in comparison.ops
        ],
    }
