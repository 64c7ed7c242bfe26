"""Threshold rules: from the histogram of a tensor to the threshold that its largest integer stands for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ConfigError
from edgekit.ptq import PtqConfig
from edgekit.ptq.calibrator import Calibrator
from edgekit.sim.compiler.calibration.histogram import Histogram

ThresholdRule = Callable[[Histogram], float]

KL_BINS = 1024  # bins of the reference distribution, as in the vendor's default
INT8_LEVELS = 128  # magnitudes of a symmetric int8
SMALLEST_THRESHOLD = 1e-6  # a tensor that is always zero still needs a scale


def max_threshold(histogram: Histogram) -> float:
    """The largest magnitude seen: nothing saturates."""
    return max(histogram.largest, SMALLEST_THRESHOLD)


def percentile_threshold(histogram: Histogram, *, fraction: float) -> float:
    """The magnitude that `fraction` of all elements lie below, as the vendor's compiler ranks them.

    Exact where it is among the largest values that the histogram keeps, otherwise to within half a bin.
    """
    if fraction >= 1.0 or histogram.total == 0:
        return max_threshold(histogram)
    rank = histogram.total - int(fraction * histogram.total)  # counted from the largest
    if rank <= histogram.tail.size:
        return max(float(histogram.tail[-rank]), SMALLEST_THRESHOLD)
    below = np.cumsum(histogram.counts)
    index = int(np.searchsorted(below, fraction * below[-1], side="left"))
    middle = (index + 0.5) * histogram.bin_width
    return max(min(middle, histogram.largest), SMALLEST_THRESHOLD)


def kl_threshold(histogram: Histogram) -> float:
    """The clipping point whose quantized distribution is nearest to the true one in Kullback-Leibler divergence.

    The entropy calibration of Migacz, "8-bit Inference with TensorRT" (2017), on `KL_BINS` bins of [0, max].
    """
    counts, width = _rebinned(histogram, KL_BINS)
    if histogram.total == 0 or counts[1:].sum() == 0:
        return max_threshold(histogram)
    stops = range(INT8_LEVELS, KL_BINS + 1, 4)
    losses = [_kl_divergence(counts, stop) for stop in stops]
    best = stops[int(np.argmin(losses))]
    return max(min(best * width, histogram.largest), SMALLEST_THRESHOLD)


def least_error_threshold(histogram: Histogram, *, candidates: tuple[ThresholdRule, ...]) -> float:
    """Of the thresholds that `candidates` propose the one with the smallest mean squared rounding error."""
    proposed = sorted({rule(histogram) for rule in candidates})
    return min(proposed, key=lambda threshold: squared_error(histogram, threshold))


def squared_error(histogram: Histogram, threshold: float) -> float:
    """Mean squared error of int8 rounding and saturation at `threshold`, from the histogram."""
    used = int(np.ceil(histogram.largest / histogram.bin_width)) + 1
    counts = histogram.counts[:used]
    middles = (np.arange(counts.size) + 0.5) * histogram.bin_width
    step = threshold / (INT8_LEVELS - 1)
    error = middles - np.minimum(np.rint(middles / step), INT8_LEVELS - 1) * step
    return float(counts @ error**2) / max(histogram.total, 1)


def _rebinned(histogram: Histogram, bins: int) -> tuple[NDArray[np.float64], float]:
    """The counts in `bins` equal bins over [0, largest]; a fine bin goes where its middle lies."""
    width = max(histogram.largest, SMALLEST_THRESHOLD) / bins
    middles = (np.arange(histogram.counts.size) + 0.5) * histogram.bin_width
    index = np.minimum((middles / width).astype(np.int64), bins - 1)
    weights = histogram.counts.astype(np.float64)
    return np.bincount(index, weights=weights, minlength=bins).astype(np.float64), width


def _kl_divergence(counts: NDArray[np.float64], stop: int) -> float:
    """KL(P || Q) where P saturates at bin `stop` and Q is P's unsaturated part in INT8_LEVELS levels."""
    inside = counts[:stop]
    true = inside.copy()
    true[-1] += counts[stop:].sum()
    level = np.arange(stop) * INT8_LEVELS // stop
    filled = inside > 0
    mass = np.bincount(level, weights=inside, minlength=INT8_LEVELS)
    width = np.bincount(level, weights=filled, minlength=INT8_LEVELS)
    coarse = np.where(filled, (mass / np.maximum(width, 1))[level], 0.0)
    if coarse.sum() == 0:
        return float("inf")
    p, q = true / true.sum(), coarse / coarse.sum()
    known = (p > 0) & (q > 0)
    missed = p[(p > 0) & (q == 0)].sum()  # mass that Q cannot explain at all: saturation into an empty bin
    return float(np.sum(p[known] * np.log(p[known] / q[known])) + missed * 20.0)


# What `calibration_type: default` chooses from, as the vendor's log lists it (`calibration_type: ['max', 'kl']`,
# `max_percentile: [0.99995, 1.0]`); its variants per channel and asymmetric are not made here.
DEFAULT_CALIBRATORS = (Calibrator("max"), Calibrator("max", percentile=0.99995), Calibrator("kl", bins=KL_BINS))
# What `mix` chooses from, tensor by tensor.
MIXED_CALIBRATORS = (*DEFAULT_CALIBRATORS, *(Calibrator("max", percentile=p) for p in (0.9999, 0.9998, 0.9995)))


def threshold_rule(calibrator: Calibrator) -> ThresholdRule:
    """Return the function from histogram to threshold that a calibrator stands for."""
    if calibrator.method == "kl":
        return kl_threshold
    if calibrator.method == "mix":
        return partial(least_error_threshold, candidates=tuple(map(threshold_rule, MIXED_CALIBRATORS)))
    if calibrator.percentile is None:
        return max_threshold
    return partial(percentile_threshold, fraction=calibrator.percentile)


def check_calibration(config: PtqConfig) -> None:
    """Refuse, by name, what the simulated compiler cannot do; before any image is read."""
    group = config.calibration_parameters
    if group.calibration_type in ("load", "skip"):
        raise _refused("calibration_type", group.calibration_type, "default, mix, kl or max")
    if group.per_channel:
        raise _refused("per_channel", True, "False: activations have one scale per tensor here")


def calibrators(config: PtqConfig) -> tuple[Calibrator, ...]:
    """Return the calibrators that the yaml asks for: one, or several to choose from."""
    group = config.calibration_parameters
    if group.calibration_type == "default":
        return DEFAULT_CALIBRATORS
    if group.calibration_type == "mix":
        return (Calibrator("mix"),)
    if group.calibration_type == "kl":
        return (Calibrator("kl", bins=KL_BINS),)
    percentile = group.max_percentile
    return (Calibrator("max", percentile if percentile is not None and percentile < 1 else None),)


def _refused(name: str, value: object, expected: str) -> ConfigError:
    return ConfigError(
        f"calibration_parameters.{name} is {value!r}, which the simulated compiler cannot do, expected {expected}",
        hint=f"set {name} to one of those, or compile with --toolchain hb_mapper",
    )
