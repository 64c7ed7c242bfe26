"""Other float graphs of a tuning folder: what is folded into the ONNX, beside the plain one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.calibration.samples import evenly_spaced, normalisation_of, read_sample
from edgekit.files import atomic_path
from edgekit.graph.onnx_graph import attributes, index_graph
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.float_runner import FloatRunner
from edgekit.sim.compiler.prepared_model import PreparedModel
from edgekit.tune.candidate import PLAIN, Setting
from edgekit.tune.fold.bias import add_to_biases, weight_rounding_shift
from edgekit.tune.fold.convolution import Convolution, read_convolution
from edgekit.tune.fold.equalize import equalize
from edgekit.tune.workspace import Work, base_subject

MEAN_IMAGES = 16  # means need fewer images than ranges
SMALLEST_SHIFT = 1e-6


def equalized_graph(work: Work, images: str, name: str) -> tuple[str, ...]:
    """Writes the cross-layer equalized float graph beside the plain one; the tensors equalized, none: not written."""
    model, changed = equalize(onnx.load(base_subject(work.folder, images, PLAIN).job.onnx_path))
    if changed:
        _write(model, work.graph(name))
    return tuple(one.tensor for one in changed)


def corrected_graph(work: Work, setting: Setting, name: str, *, progress: Progress = silent) -> int:
    """Writes the setting's float graph with what int8 weights shift on average taken back; how many convolutions.

    Convolutions whose output stays at accumulator width are corrected, too; those with weights on an int8 grid
    already shift nothing. Without any, nothing is written.
    """
    subject = base_subject(work.folder, setting.images, setting.graph)
    model = onnx.load(subject.job.onnx_path)
    index = index_graph(model)
    found = [one for node in model.graph.node if (one := read_convolution(index, node)) is not None]
    means = _channel_means(subject, sorted({one.input for one in found}), progress)
    shifts = {one.output: -_shift(one, means[one.input]) for one in found}
    shifts = {output: shift for output, shift in shifts.items() if np.any(np.abs(shift) > SMALLEST_SHIFT)}
    if shifts:
        _write(add_to_biases(model, shifts), work.graph(name))
    return len(shifts)


def _shift(convolution: Convolution, means: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    strides = attributes(convolution.node).get("strides", [1, 1])
    return weight_rounding_shift(
        convolution.weight,
        means,
        group=convolution.group,
        transposed=convolution.transposed,
        strides=(int(strides[0]), int(strides[1])),
    )


def _channel_means(subject: PreparedModel, tensors: list[str], progress: Progress) -> dict[str, npt.NDArray[np.float64]]:
    """The mean of every channel of these float tensors, (C,) each, over a few calibration images."""
    files = evenly_spaced(subject.job.calibration_files, MEAN_IMAGES)
    runner = FloatRunner(subject.job.onnx_path, tensors, subject.graph.shapes)
    normalisation = normalisation_of(subject.job)
    sums: dict[str, npt.NDArray[np.float64]] = {}
    for done, path in enumerate(files):
        progress("channel means", done, len(files))
        x = read_sample(path, subject.job, normalisation)
        given = [(subject.job.input_name, x)] if subject.job.input_name in tensors else []
        for name, values in (*given, *runner.run(x)):
            sums[name] = sums.get(name, np.zeros(values.shape[1])) + values.mean(axis=(0, 2, 3), dtype=np.float64)
    progress("channel means", len(files), len(files))
    return {name: total / len(files) for name, total in sums.items()}


def biased_graph(work: Work, setting: Setting, shifts: Mapping[str, Any], name: str) -> None:
    """Writes the setting's float graph with the output shifts added to the biases of the head convolutions."""
    subject = base_subject(work.folder, setting.images, setting.graph)
    convs = {node.output for node in subject.graph.nodes if node.op in ("Conv", "ConvTranspose")}
    tensors = {subject.graph.outputs[output]: np.asarray(values) for output, values in shifts.items()}
    model = onnx.load(subject.job.onnx_path)
    _write(add_to_biases(model, {t: shift for t, shift in tensors.items() if t in convs}), work.graph(name))


def _write(model: onnx.ModelProto, path: Path) -> None:
    with atomic_path(path) as temporary:
        onnx.save(model, str(temporary))
