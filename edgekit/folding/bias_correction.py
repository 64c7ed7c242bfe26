"""Biases that take back what rounding the weights shifts on average, by the means of the calibration images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.calibration.samples import evenly_spaced, samples_of
from edgekit.folding.bias import add_to_biases, weight_rounding_shift
from edgekit.folding.convolution import Convolution, read_convolution
from edgekit.graph.float_runner import FloatRunner
from edgekit.graph.onnx_graph import attributes, index_graph
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.prepared_model import PreparedModel

__all__ = ["corrected_model"]

MEAN_IMAGES = 16  # means need fewer images than ranges
SMALLEST_SHIFT = 1e-6


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
    runner = FloatRunner(model.job.onnx_path, tensors)
    samples = samples_of(model.job)
    sums: dict[str, npt.NDArray[np.float64]] = {}
    for done, path in enumerate(files):
        progress("channel means", done, len(files))
        feeds = samples.read(path)
        fed = [(name, x) for name, x in feeds.items() if name in tensors]
        for name, values in (*fed, *runner.run(feeds)):
            sums[name] = sums.get(name, np.zeros(values.shape[1])) + values.mean(axis=(0, 2, 3), dtype=np.float64)
    progress("channel means", len(files), len(files))
    return {name: total / len(files) for name, total in sums.items()}
