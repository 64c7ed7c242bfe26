"""What a worker does for one candidate: typed tasks, whose JSON form is their identity and whose results are JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError
from edgekit.ops.buffers import Buffers
from edgekit.ops.pixels import normalised
from edgekit.ops.prepare import prepare_image
from edgekit.ops.quant import dequantize
from edgekit.runtime.session import Session, load
from edgekit.spec import ModelSpec
from edgekit.tuning.builds import candidate_model, candidate_session, thresholds_of
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.fake_quant import fake_quantized_session
from edgekit.tuning.measurement import measure_heads
from edgekit.tuning.output_shift import output_shifts
from edgekit.tuning.weighted_error import Heads
from edgekit.tuning.workspace import Workspace

__all__ = ["MeasureBuild", "MeasureCandidate", "MeasureLayers", "MeasureShift", "ObserveSet", "TuneTask", "run_task"]

THREADS = 1  # of a task: there are as many workers as cores


class TuneTask(Protocol):
    """A task over a workspace."""

    def to_json(self) -> dict[str, Any]:
        """Return its identity as plain JSON values."""

    def run(self, workspace: Workspace) -> Any:
        """Return its result as plain JSON values."""


def run_task(workspace: Workspace, task: TuneTask) -> Any:
    """Run a task where a worker is.

    Args:
        workspace: The tuning folder.
        task: What to do there.

    Returns:
        The task's result, plain JSON values.
    """
    return task.run(workspace)


@dataclass(frozen=True, slots=True)
class ObserveSet:
    """Take the histograms of a calibration set under a float graph, once for all workers."""

    calibration_set: str
    graph: str

    def to_json(self) -> dict[str, Any]:
        """Return its identity."""
        return {"task": "observe", "calibration_set": self.calibration_set, "graph": self.graph}

    def run(self, workspace: Workspace) -> int:
        """Return the number of tensors."""
        return len(workspace.histograms(self.calibration_set, self.graph))


@dataclass(frozen=True, slots=True)
class MeasureCandidate:
    """Measure the output errors of a candidate's integer graph on the first `images` images."""

    candidate: Candidate
    images: int

    def to_json(self) -> dict[str, Any]:
        """Return its identity."""
        return {"task": "measure", "candidate": self.candidate.to_json(), "images": self.images}

    def run(self, workspace: Workspace) -> dict[str, Any]:
        """Return a measurement as JSON."""
        session = candidate_session(workspace, self.candidate, threads=THREADS)
        return measure_heads(session.spec, _head_pairs(workspace, session, self.images)).to_json()


@dataclass(frozen=True, slots=True)
class MeasureBuild:
    """Measure the output errors of a build that lies in a file: a quantized graph with its sidecar."""

    model: Path
    sha256: str
    images: int

    def to_json(self) -> dict[str, Any]:
        """Return its identity."""
        return {"task": "measure build", "sha256": self.sha256, "images": self.images}

    def run(self, workspace: Workspace) -> dict[str, Any]:
        """Return a measurement as JSON."""
        with load(self.model) as session:
            return measure_heads(session.spec, _head_pairs(workspace, session, self.images)).to_json()


@dataclass(frozen=True, slots=True)
class MeasureLayers:
    """Measure the output errors of the float model with only `tensors` in int8."""

    candidate: Candidate
    tensors: frozenset[str]
    images: int

    def to_json(self) -> dict[str, Any]:
        """Return its identity."""
        values = {"candidate": self.candidate.to_json(), "tensors": sorted(self.tensors), "images": self.images}
        return {"task": "measure layers", **values}

    def run(self, workspace: Workspace) -> dict[str, Any]:
        """Return a measurement as JSON."""
        model = candidate_model(workspace, self.candidate)
        scales = model.plan.scales(thresholds_of(workspace, self.candidate))
        scales = {tensor: scales[tensor] for tensor in self.tensors}
        session = fake_quantized_session(model.job.onnx_path, scales, threads=THREADS)
        spec = model.job.spec
        return measure_heads(spec, _fake_quantized_pairs(workspace, spec, session, self.images)).to_json()


@dataclass(frozen=True, slots=True)
class MeasureShift:
    """Measure, per output and channel, what a candidate is off by where it counts, on the first `images` images."""

    candidate: Candidate
    images: int

    def to_json(self) -> dict[str, Any]:
        """Return its identity."""
        return {"task": "shift where it counts", "candidate": self.candidate.to_json(), "images": self.images}

    def run(self, workspace: Workspace) -> dict[str, list[float]]:
        """Return output -> what to add, one number per channel."""
        session = candidate_session(workspace, self.candidate, threads=THREADS)
        return output_shifts(session.spec, _head_pairs(workspace, session, self.images))


def _fake_quantized_pairs(
    workspace: Workspace, spec: ModelSpec, session: Any, images: int
) -> Iterator[tuple[Heads, Heads]]:
    for i in range(images):
        reference = workspace.float_heads(i)
        pixels, _ = prepare_image(workspace.pixels(i), spec.input, spec.preprocess, Buffers())
        values = session.run(list(reference), {spec.input.name: normalised(pixels, spec.input, spec.preprocess)})
        yield reference, dict(zip(reference, values, strict=True))


def _head_pairs(workspace: Workspace, session: Session, images: int) -> Iterator[tuple[Heads, Heads]]:
    """Yield (float heads, the integer graph's heads as floats) for each of the first `images` images."""
    for i in range(images):
        reference = workspace.float_heads(i)
        inputs, _ = session.prepare(workspace.pixels(i))
        heads = {name: _as_float(session.spec, name, value) for name, value in session.infer(inputs).items()}
        for name, values in reference.items():
            if name not in heads or heads[name].shape != values.shape:
                raise ModelError(
                    f"output {name!r} is {heads[name].shape if name in heads else 'missing'} in the integer graph, "
                    f"expected {values.shape} as in the float model",
                    hint="delete the tuning folder and begin again",
                )
        yield reference, heads


def _as_float(spec: ModelSpec, name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a head's integers by the scales of its sidecar; floats as they are."""
    head = next(head for head in spec.outputs if head.name == name)
    if not np.issubdtype(values.dtype, np.integer):
        return values
    return dequantize(values.reshape(head.shape), np.asarray(head.scale, np.float32), head.axis)
