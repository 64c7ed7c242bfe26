"""Least squares with factors of at least 0, and the search for the memory channel that fits the frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.latency.schedule import Channel

Floats = npt.NDArray[np.float64]

ROUNDS = 2000
REWEIGHTED = 6  # rounds in which rows that do not fit count less
LEAST_US, TOLERANCE = 1.0, 0.15  # a row's error that counts fully: the files give whole microseconds


@dataclass(frozen=True, slots=True)
class Frames:
    """What a choice of channel and scales gives: the sum of the frames' absolute logarithmic errors."""

    channel: Channel
    on_chip: float
    scales: Mapping[str, float]
    loss: float


def nonnegative(matrix: Floats, target: Floats) -> Floats:
    """Return x >= 0 that minimizes |matrix x - target|, by coordinate descent."""
    gram, right = matrix.T @ matrix, matrix.T @ target
    x = np.zeros(matrix.shape[1])
    for _ in range(ROUNDS):
        before = x.copy()
        for j in np.flatnonzero(np.diag(gram) > 0):
            x[j] = max(0.0, x[j] + (right[j] - gram[j] @ x) / gram[j, j])
        if np.abs(x - before).max() < 1e-9:
            break
    return x


def fit_group(rows: Sequence[Mapping[str, float]], times: Floats, names: Sequence[str], *, even: bool) -> Floats:
    """Fit the factors of one group of layers.

    Args:
        rows: The features of each layer.
        times: Microseconds of each, (n,).
        names: The features to use.
        even: Whether large layers count by their share of the sum, and rows that do not fit count as the others.

    Returns:
        The factors, (len(names),).
    """
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    base = 1 / np.maximum(times, 3.0) ** (0.5 if even else 0.7)
    weights, factors = base, np.zeros(len(names))
    for _ in range(1 if even else REWEIGHTED):
        factors = nonnegative(matrix * weights[:, None], times * weights)
        errors = np.abs(matrix @ factors - times) / np.maximum(TOLERANCE * times, LEAST_US)
        weights = base / np.sqrt(np.maximum(1.0, errors))
    return factors


def search(loss: Callable[[Channel, float, Mapping[str, float]], float], start: Frames) -> Frames:
    """Improve one value after the other until none gets better.

    Args:
        loss: The error of all frames with a channel, bytes of maps on the chip and scales per unit.
        start: Where to begin.

    Returns:
        The best that was found.
    """
    best = start
    for _, step in itertools.product(range(2), (1.15, 1.05, 1.02)):
        for name in ("bytes_per_us", "start_us", "buffer_bytes", *start.scales):
            for factor in (step, 1 / step):
                tried = _changed(best, name, factor)
                found = loss(tried.channel, tried.on_chip, tried.scales)
                if found < best.loss - 1e-6:
                    best = Frames(tried.channel, tried.on_chip, tried.scales, found)
    return best


def _changed(base: Frames, name: str, factor: float) -> Frames:
    if name in base.scales:
        scales = {**base.scales, name: base.scales[name] * factor}
        return Frames(base.channel, base.on_chip, scales, base.loss)
    values = {
        "bytes_per_us": base.channel.bytes_per_us,
        "start_us": base.channel.start_us,
        "buffer_bytes": base.channel.buffer_bytes,
        "piece_bytes": base.channel.piece_bytes,
    }
    return Frames(Channel(**{**values, name: values[name] * factor}), base.on_chip, base.scales, base.loss)
