"""How far a build's outputs are from the float model's, from sums of squares per image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.evaluation.bootstrap import Interval, image_weights, interval
from edgekit.spec import ModelSpec
from edgekit.tuning.weighted_error import PART_WEIGHTS, Heads, squared_error, weighted_error

__all__ = [
    "Measurement",
    "OutputErrors",
    "constraint_value",
    "error_intervals",
    "loss",
    "measure_heads",
    "measurement_from_json",
]

Float64Array = npt.NDArray[np.float64]
METHODS = {"everywhere": squared_error, "weighted": weighted_error}


@dataclass(frozen=True, slots=True)
class OutputErrors:
    """Sums of squares per image and output, or what stands for them.

    Attributes:
        outputs: Names of the o outputs, or roles of heads.
        noise: (p, o) float64: of the difference to the float model, p images.
        signal: (p, o) float64: of the float model.
    """

    outputs: tuple[str, ...]
    noise: Float64Array
    signal: Float64Array

    def by_output(self, weights: Float64Array | None = None) -> Float64Array:
        """Return relative root mean square errors: (o,), or (w, o) for `weights` (w, p) over images."""
        rows = np.ones((1, len(self.noise))) if weights is None else weights
        errors = np.sqrt((rows @ self.noise) / np.maximum(rows @ self.signal, np.finfo(np.float64).tiny))
        return errors[0] if weights is None else errors

    @property
    def mean(self) -> float:
        """The mean over outputs of the relative errors: every head counts the same."""
        return float(self.by_output().mean())


@dataclass(frozen=True, slots=True)
class Measurement:
    """A build's output errors on a number of images.

    Attributes:
        everywhere: Of the raw outputs, over all cells alike.
        weighted: Of what detections are made of, by role (`weighted_error.py`), on the same images.
    """

    everywhere: OutputErrors
    weighted: OutputErrors

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `measurement_from_json` reads them; floats are exact."""
        methods = {name: getattr(self, name) for name in METHODS}
        return {
            name: {"outputs": list(e.outputs), "noise": e.noise.tolist(), "signal": e.signal.tolist()}
            for name, e in methods.items()
        }


def measurement_from_json(value: Mapping[str, Any]) -> Measurement:
    """Return the measurement that `to_json` wrote.

    Args:
        value: The parsed JSON of a result file of this edgekit version.

    Returns:
        The measurement.
    """
    everywhere, weighted = (
        OutputErrors(
            tuple(value[name]["outputs"]), *(np.asarray(value[name][sums], np.float64) for sums in ("noise", "signal"))
        )
        for name in METHODS
    )
    return Measurement(everywhere, weighted)


def measure_heads(spec: ModelSpec, pairs: Iterable[tuple[Heads, Heads]]) -> Measurement:
    """Return the errors of a build's heads.

    Args:
        spec: Sidecar of the build or of the float model; its outputs name the heads.
        pairs: Per image the float model's heads and the build's, both as floats by output name.

    Returns:
        The measurement over all pairs.
    """
    rows: dict[str, list[dict[str, tuple[float, float]]]] = {name: [] for name in METHODS}
    for reference, heads in pairs:
        for name, method in METHODS.items():
            rows[name].append(method(spec, reference, heads))
    everywhere, weighted = (_pooled(rows[name]) for name in METHODS)
    return Measurement(everywhere, weighted)


def _pooled(rows: Sequence[Mapping[str, tuple[float, float]]]) -> OutputErrors:
    """One row per image, of which every one has the same names."""
    names = tuple(rows[0])
    noise, signal = (np.asarray([[row[name][i] for name in names] for row in rows], np.float64) for i in (0, 1))
    return OutputErrors(names, noise, signal)


def loss(measured: Measurement, reference: Measurement) -> float:
    """Return what the search minimizes: the mean ratio of the errors of what detections are made of.

    Raw errors over all cells alike are no part of it: they can halve while the detections get worse.

    Args:
        measured: A candidate's errors.
        reference: Those of the untuned default on the same images.

    Returns:
        1 for the reference itself; roles are weighted by `PART_WEIGHTS`.
    """
    weights = [PART_WEIGHTS.get(role, 1.0) for role in measured.weighted.outputs]
    return float(np.average(_role_ratios(measured, reference), weights=weights))


def constraint_value(measured: Measurement, reference: Measurement) -> float:
    """Return the value compared with `Targets.error_ratio`.

    Args:
        measured: A candidate's errors.
        reference: Those of the untuned default on the same images.

    Returns:
        The ratio of the role that is worst off.
    """
    return float(_role_ratios(measured, reference).max())


def _role_ratios(measured: Measurement, reference: Measurement) -> Float64Array:
    """Return, per role (r,), the sum of the images' errors over the reference's; 1 if the reference has none.

    The root is taken image by image: of the sums of squares one odd image makes half.
    """
    errors, reference_errors = (np.sqrt(m.weighted.noise).sum(axis=0) for m in (measured, reference))
    return np.divide(errors, reference_errors, out=np.ones_like(errors), where=reference_errors > 0)


def error_intervals(
    measured: OutputErrors, reference: OutputErrors, *, resamples: int = 1000, seed: int = 0
) -> Sequence[tuple[str, Interval]]:
    """Return, per output, the error over the reference's on the same images, with its paired bootstrap interval.

    Args:
        measured: A build's errors.
        reference: Another build's errors on the same images.
        resamples: Bootstrap draws of the images.
        seed: Of the draws.

    Returns:
        (name of the output, ratio with its 95 % interval).
    """
    weights = image_weights(len(measured.noise), resamples, seed=seed)
    ratios = measured.by_output(weights) / np.maximum(reference.by_output(weights), np.finfo(np.float64).tiny)
    return [(name, interval(ratios[:, i])) for i, name in enumerate(measured.outputs)]
