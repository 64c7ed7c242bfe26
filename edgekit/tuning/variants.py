"""Other float graphs of a workspace: what is folded into the ONNX, beside the plain one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.calibration.samples import evenly_spaced, normalisation_of, read_sample
from edgekit.files import atomic_path
from edgekit.graph.float_runner import FloatRunner
from edgekit.graph.onnx_graph import attributes, index_graph
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.prepared_model import PreparedModel
from edgekit.tuning.builds import candidate_model
from edgekit.tuning.candidate import PLAIN, Candidate
from edgekit.tuning.fold.bias import add_to_biases, weight_rounding_shift
from edgekit.tuning.fold.convolution import Convolution, read_convolution
from edgekit.tuning.fold.equalize import equalize
from edgekit.tuning.workspace import Workspace

__all__ = ["corrected_model", "write_biased", "write_corrected", "write_equalized"]

MEAN_IMAGES = 16  # means need fewer images than ranges
SMALLEST_SHIFT = 1e-6


def write_equalized(workspace: Workspace, calibration_set: str, name: str) -> tuple[str, ...]:
    """Write the cross-layer equalized float graph beside the plain one.

    Args:
        workspace: The tuning folder.
        calibration_set: Any set: all have the same plain graph.
        name: Of the new graph.

    Returns:
        The equalized tensors; if there is none, nothing is written.
    """
    model, changed = equalize(onnx.load(workspace.model(calibration_set, PLAIN).job.onnx_path))
    if changed:
        _write(model, workspace.graph_path(name))
    return tuple(equalized.tensor for equalized in changed)


def write_corrected(workspace: Workspace, candidate: Candidate, name: str, *, progress: Progress = silent) -> int:
    """Write a candidate's float graph with the mean shift of its int8 weights corrected.

    Convolutions whose output stays at accumulator width are corrected, too; those with weights on an int8 grid already
    shift nothing.

    Args:
        workspace: The tuning folder.
        candidate: Its graph and calibration set are used.
        name: Of the new graph.
        progress: Called per calibration image.

    Returns:
        Number of corrected convolutions; if there is none, nothing is written.
    """
    model, corrected = corrected_model(candidate_model(workspace, candidate), progress=progress)
    if corrected:
        _write(model, workspace.graph_path(name))
    return corrected


def corrected_model(prepared: PreparedModel, *, progress: Progress = silent) -> tuple[onnx.ModelProto, int]:
    """Return a float graph with the mean shift of its int8 weights corrected in the biases.

    Args:
        prepared: The model, with its calibration files.
        progress: Called per calibration image.

    Returns:
        The graph, and the number of corrected convolutions.
    """
    model = onnx.load(prepared.job.onnx_path)
    index = index_graph(model)
    nodes = (read_convolution(index, node) for node in model.graph.node)
    convolutions = [convolution for convolution in nodes if convolution is not None]
    means = _channel_means(prepared, sorted({convolution.input for convolution in convolutions}), progress)
    shifts = {convolution.output: -_shift(convolution, means[convolution.input]) for convolution in convolutions}
    shifts = {output: shift for output, shift in shifts.items() if np.any(np.abs(shift) > SMALLEST_SHIFT)}
    return (add_to_biases(model, shifts) if shifts else model), len(shifts)


def _shift(convolution: Convolution, means: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    strides = attributes(convolution.node).get("strides", [1, 1])
    return weight_rounding_shift(
        convolution.weight,
        means,
        group=convolution.group,
        transposed=convolution.transposed,
        strides=(int(strides[0]), int(strides[1])),
    )


def _channel_means(model: PreparedModel, tensors: list[str], progress: Progress) -> dict[str, npt.NDArray[np.float64]]:
    """Return the mean of every channel of these float tensors, (C,) each, over a few calibration images."""
    files = evenly_spaced(model.job.calibration_files, MEAN_IMAGES)
    runner = FloatRunner(model.job.onnx_path, tensors, model.graph.shapes)
    normalisation = normalisation_of(model.job)
    sums: dict[str, npt.NDArray[np.float64]] = {}
    for done, path in enumerate(files):
        progress("channel means", done, len(files))
        x = read_sample(path, model.job, normalisation)
        inputs = [(model.job.input_name, x)] if model.job.input_name in tensors else []
        for name, values in (*inputs, *runner.run(x)):
            sums[name] = sums.get(name, np.zeros(values.shape[1])) + values.mean(axis=(0, 2, 3), dtype=np.float64)
    progress("channel means", len(files), len(files))
    return {name: total / len(files) for name, total in sums.items()}


def write_biased(workspace: Workspace, candidate: Candidate, shifts: Mapping[str, Any], name: str) -> None:
    """Write a candidate's float graph with shifts of the outputs added to the biases of the head convolutions.

    Args:
        workspace: The tuning folder.
        candidate: Its graph is used.
        shifts: Output -> one number per channel.
        name: Of the new graph.
    """
    prepared = candidate_model(workspace, candidate)
    convolutions = {node.output for node in prepared.graph.nodes if node.op in ("Conv", "ConvTranspose")}
    tensors = {prepared.graph.outputs[output]: np.asarray(values) for output, values in shifts.items()}
    model = onnx.load(prepared.job.onnx_path)
    shifted = add_to_biases(model, {tensor: shift for tensor, shift in tensors.items() if tensor in convolutions})
    _write(shifted, workspace.graph_path(name))


def _write(model: onnx.ModelProto, path: Path) -> None:
    with atomic_path(path) as temporary:
        onnx.save(model, str(temporary))
