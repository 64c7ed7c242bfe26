"""How far a build's outputs are from the float model's, from sums that jobs bring home image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.evaluate.bootstrap import Interval, image_weights, interval

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OutputErrors:
    """Sums of squares per image and output, (p, o) float64: of the difference to float, and of float itself."""

    outputs: tuple[str, ...]
    noise: Floats
    signal: Floats

    def by_output(self, weights: Floats | None = None) -> Floats:
        """Relative root mean square error, (o,), or (w, o) for `weights` (w, p) over images."""
        rows = np.ones((1, len(self.noise))) if weights is None else weights
        errors = np.sqrt((rows @ self.noise) / np.maximum(rows @ self.signal, np.finfo(np.float64).tiny))
        return errors[0] if weights is None else errors

    @property
    def mean(self) -> float:
        """The mean over outputs of the relative errors: every head counts the same."""
        return float(self.by_output().mean())


@dataclass(frozen=True, slots=True)
class Errors:
    """A build's errors over all cells alike, and where objects are (`seen.py`), on the same images."""

    everywhere: OutputErrors
    seen: OutputErrors


def errors_from(result: Mapping[str, Any]) -> Errors:
    """What a job of kind "error" gave."""
    everywhere, seen = (
        OutputErrors(
            tuple(result["outputs"]),
            *(np.asarray(result[way][name], np.float64) for name in ("noise", "signal")),
        )
        for way in ("everywhere", "seen")
    )
    return Errors(everywhere, seen)


def loss(found: Errors, reference: Errors) -> float:
    """What a search brings down: the errors over `reference`'s, as a mean over outputs and both ways of measuring."""
    return float(np.mean([ratios(found.everywhere, reference.everywhere), ratios(found.seen, reference.seen)]))


def worst(found: Errors, reference: Errors) -> float:
    """What a wish is held against: the largest ratio of any output everywhere, or the mean one where objects are."""
    everywhere = ratios(found.everywhere, reference.everywhere)
    return float(max(everywhere.max(), ratios(found.seen, reference.seen).mean()))


def ratios(found: OutputErrors, reference: OutputErrors) -> Floats:
    """Per output, (o,): the error over the reference's on the same images; 1 where the reference has none."""
    ours, others = found.by_output(), reference.by_output()
    return np.divide(ours, others, out=np.ones_like(ours), where=others > 0)


def error_ratio(
    found: OutputErrors, reference: OutputErrors, *, resamples: int = 1000, seed: int = 0
) -> Sequence[tuple[str, Interval]]:
    """Per output: the error over the reference's on the same images, with its paired bootstrap interval."""
    weights = image_weights(len(found.noise), resamples, seed=seed)
    ratios = found.by_output(weights) / np.maximum(reference.by_output(weights), np.finfo(np.float64).tiny)
    return [(name, interval(ratios[:, i])) for i, name in enumerate(found.outputs)]
