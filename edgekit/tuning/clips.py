"""Bounds for convolutions by their positive side: an activation that is flat below zero needs no range there.

A SiLU maps everything below about -4 to nearly nothing. An int8 range that covers the negative side spends its steps on
values that the activation throws away, so the range is taken from the positive side alone and written as a Clip behind
the convolution, which both compilers absorb into the convolution's own scale.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from edgekit.calibration.samples import normalisation_of, read_sample
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.calibration.histogram import Histogram
from edgekit.sim.compiler.calibration.thresholds import percentile_threshold
from edgekit.sim.compiler.float_graph import FloatGraph
from edgekit.sim.compiler.float_runner import FloatRunner
from edgekit.sim.compiler.scales import ScalePlan

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob
    from edgekit.sim.compiler.calibration.search import Thresholds

FLAT_BELOW_ZERO = ("swish", "hard_swish", "softplus", "elu")  # table functions that are nearly constant below -4
FLAT_FROM = 4.0  # a bound is not smaller: the activation's negative lobe stays inside the range
FRACTIONS = (1.0, 0.99999, 0.9999, 0.9995)  # percentiles of the positive side that are tried for all at once


def boundable(graph: FloatGraph, plan: ScalePlan) -> dict[str, str]:
    """Return the convolution outputs whose range only has to cover the positive side.

    Args:
        graph: The simplified float graph.
        plan: Which tensors share a scale.

    Returns:
        Output tensor of a convolution -> output tensor of the activation that alone reads it. Convolutions whose scale
        is shared, or that a Clip bounds already, are left out.
    """
    readers = graph.consumers()
    result: dict[str, str] = {}
    for node in graph.nodes:
        behind = readers.get(node.output, [])
        if node.op != "Conv" or "clip" in node.attrs or [reader.op for reader in behind] != ["Table"]:
            continue
        if plan.source.get(node.output) == node.output and behind[0].attrs["function"] in FLAT_BELOW_ZERO:
            result[node.output] = behind[0].output
    return result


def observe_positive(
    job: CompileJob, graph: FloatGraph, tensors: Collection[str], *, progress: Progress = silent
) -> dict[str, Histogram]:
    """Count the positive side of tensors over the calibration set.

    Args:
        job: The compile job whose calibration files are read, one at a time.
        graph: The simplified float graph of the job's model.
        tensors: Names of float tensors of that model.
        progress: Called per calibration file.

    Returns:
        A histogram per tensor; values below zero count as zero, so that a percentile is one of all elements.
    """
    names = sorted(tensors)
    histograms = {name: Histogram() for name in names}
    runner = FloatRunner(job.onnx_path, names, graph.shapes)
    normalisation = normalisation_of(job)
    total = len(job.calibration_files)
    for done, path in enumerate(job.calibration_files):
        progress("positive side", done, total)
        for name, values in runner.run(read_sample(path, job, normalisation)):
            histograms[name].add(np.maximum(values, 0))
    progress("positive side", total, total)
    return histograms


def positive_bounds(
    positive: Mapping[str, Histogram], magnitudes: Mapping[str, Histogram], *, fraction: float
) -> dict[str, float]:
    """Return a bound per tensor: the percentile of its positive side, wide enough for the activation's negative lobe.

    Args:
        positive: Histograms of the positive side, as `observe_positive` gives them.
        magnitudes: Histograms of |x| of the same tensors; no bound exceeds their largest value.
        fraction: The share of all elements that the bound covers, in 0..1.

    Returns:
        Tensor -> bound above zero. Tensors that never leave -bound .. bound are left out: a Clip would do nothing.
    """
    bounds: dict[str, float] = {}
    for name, histogram in positive.items():
        bound = max(percentile_threshold(histogram, fraction=fraction), FLAT_FROM)
        if bound < magnitudes[name].largest:
            bounds[name] = bound
    return bounds


def clipped_thresholds(
    thresholds: Mapping[str, float], bounds: Mapping[str, float], graph: FloatGraph, plan: ScalePlan
) -> Thresholds:
    """Return the thresholds that calibration would find behind Clips.

    Args:
        thresholds: Threshold per scale without the Clips.
        bounds: Convolution output -> bound, as `positive_bounds` gives them.
        graph: The simplified float graph.
        plan: Which tensors share a scale.

    Returns:
        The thresholds with each bounded tensor's brought down, and that of the activation behind it to the bound's
        image where that tensor has a scale of its own.
    """
    behind = boundable(graph, plan)
    result = dict(thresholds)
    for tensor, bound in bounds.items():
        for name in (tensor, behind.get(tensor, tensor)):
            if plan.source.get(name, name) == name and name in result:
                result[name] = min(result[name], bound)  # these activations never exceed their input
    return result
