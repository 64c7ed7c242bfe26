"""The simulated BPU behind the device seam: a simulated `.bin` or a quantized graph, run on this computer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import DeviceError, ModelError
from edgekit.runtime.device import TensorInfo, Tensors
from edgekit.sim.container import SimBin, is_sim_bin, read_sim_bin
from edgekit.sim.executor import Executor, requested_tensors
from edgekit.sim.fast import make_executor
from edgekit.sim.graph import Graph, GraphOutput, load_graph, strip_dequantize
from edgekit.sim.input import graph_input, graph_input_kinds, input_size_hw
from edgekit.sim.ops.dequantize import Dequantize
from edgekit.sim.provenance import execution_notes
from edgekit.spec import ModelSpec


def open_sim_device(
    path: str | Path,
    spec: ModelSpec | None = None,
    *,
    raw: Sequence[str] | None = None,
    execution: str = "fast",
    threads: int = 2,
) -> SimDevice:
    """Open a model on the simulated device.

    Args:
        path: A simulated `.bin` or a `*_quantized_model.onnx`.
        spec: Its sidecar, which says which outputs are integers.
        raw: Names of HzDequantize nodes to leave out of a quantized graph, so that their outputs are integers as those
            of a modified `.bin`; None: those of the outputs that `spec` calls integers.
        execution: "fast" or "reference", which give the same integers.
        threads: How many threads compute one frame.

    Returns:
        The device.

    Raises:
        ModelError: The file is not what it should be.
    """
    path = Path(path)
    if is_sim_bin(path):
        if raw:
            raise ModelError(f"{path} already says which outputs are raw", hint="give raw names to a graph only")
        container = read_sim_bin(path)
        graph = strip_dequantize(load_graph(container.graph), container.removed)
        return SimDevice(graph, execution=execution, threads=threads, container=container)
    graph = load_graph(path)
    names = _raw_names(graph, spec) if raw is None else raw
    return SimDevice(strip_dequantize(graph, names), execution=execution, threads=threads)


class SimDevice:
    """A Device; nothing is kept from frame to frame, so several threads may use it at once."""

    kind = "sim"

    def __init__(
        self, graph: Graph, *, execution: str = "fast", threads: int = 2, container: SimBin | None = None
    ) -> None:
        self.graph = graph
        self.batch = container.batch if container else 1
        self.input_kinds = {**graph_input_kinds(graph), **(_recorded_kinds(graph, container) if container else {})}
        inputs = (_input_info(name, kind, self.input_kinds[name]) for name, kind in graph.inputs.items())
        self.inputs = tuple(_of_batch(info, self.batch) for info in inputs)
        self.outputs = tuple(_of_batch(_output_info(output), self.batch) for output in graph.outputs.values())
        self.notes = execution_notes(graph)
        self._executor: Executor | None = make_executor(graph, execution=execution, threads=threads)

    @property
    def input_kind(self) -> str:
        """The kind of image that the first input takes."""
        return next(iter(self.input_kinds.values()))

    def infer(self, inputs: Mapping[str, np.ndarray], keep: Collection[str] = ()) -> Tensors:
        """Run one or more frames; `keep` asks for intermediate tensors by name, too.

        Inputs: as `edgekit.sim.input.graph_input` says; more frames than the graph's batch run one after the
        other and come out along the first axis. A `.bin` of several images per call takes that many, as on the board.
        Raises ModelError on inputs that do not fit.
        """
        executor = self._executor
        if executor is None:
            raise DeviceError("this simulated device is closed", hint="open the model again")
        unknown = sorted(set(inputs) ^ set(self.graph.inputs))
        if unknown:
            raise ModelError(
                f"inputs {sorted(inputs)} were given, expected {sorted(self.graph.inputs)}", hint="name every input"
            )
        fed = {name: graph_input(inputs[name], kind, name) for name, kind in self.graph.inputs.items()}
        steps = {len(value) // self.graph.inputs[name].shape[0] for name, value in fed.items()}
        if len(steps) > 1:
            raise ModelError(f"inputs hold {sorted(steps)} frames, expected one number", hint="feed equal batches")
        if self.batch > 1 and steps != {self.batch}:
            raise ModelError(
                f"inputs hold {steps.pop()} frames, expected {self.batch}: the model takes as many per call",
                hint="use Session.predict_batch, which fills calls up",
            )
        results = [executor.run(self._frame(fed, step), keep) for step in range(steps.pop())]
        if len(results) == 1:
            return results[0]
        return {name: np.concatenate([result[name] for result in results]) for name in results[0]}

    def _frame(self, fed: Mapping[str, np.ndarray], step: int) -> dict[str, np.ndarray]:
        batches = {name: kind.shape[0] for name, kind in self.graph.inputs.items()}
        return {name: value[step * batches[name] : (step + 1) * batches[name]] for name, value in fed.items()}

    def tensors(self) -> tuple[str, ...]:
        """The names that `infer` can keep."""
        return tuple(requested_tensors(self.graph, self.graph.types))

    def close(self) -> None:
        """Return the memory back; `infer` then raises DeviceError."""
        self._executor = None


def _recorded_kinds(graph: Graph, container: SimBin) -> Mapping[str, str]:
    """What the `.bin` records of the graph's inputs; nothing of inputs that the graph does not have."""
    first = next(iter(graph.inputs))
    recorded = {first: container.input_kind, **container.input_kinds}
    return {name: kind for name, kind in recorded.items() if name in graph.inputs}


def _raw_names(graph: Graph, spec: ModelSpec | None) -> list[str]:
    """Dequantize nodes in front of the outputs that `spec` calls integers."""
    integers = {head.name for head in spec.outputs if head.dtype != "float32"} if spec else set()
    removable = [node for node in graph.nodes if isinstance(node.operator, Dequantize)]
    return [node.name for node in removable if node.outputs[0] in integers & set(graph.outputs)]


def _of_batch(info: TensorInfo, batch: int) -> TensorInfo:
    """A tensor as a call of `batch` frames has it."""
    return replace(info, shape=(info.shape[0] * batch, *info.shape[1:])) if batch > 1 else info


def _input_info(name: str, expected: Any, kind: str) -> TensorInfo:
    if kind == "featuremap":
        return TensorInfo(name, expected.shape, expected.dtype.name)
    if kind == "nv12":  # as the board's library states it: the image's shape, though the frame is flat
        return TensorInfo(name, (expected.shape[0], 3, *input_size_hw(expected)), "uint8")
    return TensorInfo(name, expected.shape, "uint8")


def _output_info(output: GraphOutput) -> TensorInfo:
    scale = tuple(float(value) for value in output.scale)
    axis = output.axis if scale else len(output.type.shape) - 1
    return TensorInfo(output.name, output.type.shape, output.type.dtype.name, scale, axis)
