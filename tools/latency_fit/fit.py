"""The fit of all parameters to a set of builds, and what it says of builds that were left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.latency.compute import LEAST_US, UNKNOWN, kin_of
from edgekit.latency.features import ARRAY, MOVEMENT, VECTOR, features, group_of
from edgekit.latency.frame import frame_timeline
from edgekit.latency.layer import Layer
from edgekit.latency.schedule import Channel
from latency_fit.groups import EVEN, features_of
from latency_fit.rows import Build, group_rows
from latency_fit.solve import Frames, fit_group, search

START_CHANNEL = Channel(bytes_per_us=7000.0, start_us=0.3, buffer_bytes=250e3, piece_bytes=64e3)
ON_CHIP = 1e6  # bytes of maps that wait on the chip: two models at 640 pixels are compiled to this traffic, about
START_SCALES = {ARRAY: 0.98, VECTOR: 0.98, MOVEMENT: 1.03}
NO_FRAMES = Frames(START_CHANNEL, ON_CHIP, START_SCALES, np.inf)  # where layers alone are fitted
LEAST_ROWS = 2
PRIOR = 2.0  # how firmly the rates stay near round numbers while few frames are there


@dataclass(frozen=True, slots=True)
class Fit:
    """Factors per group and feature, and the frame's channel, chip and scales."""

    groups: Mapping[str, Mapping[str, float]]
    frames: Frames

    def layer_us(self, layer: Layer) -> float:
        name = group_of(layer)
        factors = next((self.groups[kin] for kin in kin_of(name) if kin in self.groups), UNKNOWN)
        found = features(layer)
        return max(LEAST_US, sum(factor * found.get(one, 0.0) for one, factor in factors.items()))

    def frame_us(self, layers: Sequence[Layer], compute: Sequence[float]) -> float:
        frames = self.frames
        made, _ = frame_timeline(layers, compute, scales=frames.scales, on_chip=frames.on_chip, channel=frames.channel)
        return made.frame_us


def fit_layers(builds: tuple[Build, ...]) -> Mapping[str, Mapping[str, float]]:
    """Fit the factors of every group of layers."""
    groups = {
        name: dict(zip(features_of(name), _factors(name, rows), strict=True))
        for name, rows in sorted(group_rows(builds).items())
        if len(rows) >= LEAST_ROWS
    }
    return {name: {one: float(factor) for one, factor in factors.items() if factor} for name, factors in groups.items()}


def fit_all(builds: tuple[Build, ...]) -> Fit:
    """Fit the layers of all builds, then the channel and the scales to the frames.

    Frames at O2 count, too: the compiler's are within some per cent of those at O3, and there are few of either.
    """
    groups = fit_layers(builds)
    start = Frames(START_CHANNEL, ON_CHIP, START_SCALES, np.inf)
    first = Fit(groups, start)
    compiled = [(build, us) for build in builds for us in (build.frame_us, build.second_us) if us]
    computed = {build.name: [first.layer_us(layer) for layer in build.layers] for build, _ in compiled}
    target = np.array([us for _, us in compiled])

    def loss(channel: Channel, on_chip: float, scales: Mapping[str, float]) -> float:
        tried = Fit(groups, Frames(channel, on_chip, scales, 0.0))
        made = {build.name: tried.frame_us(build.layers, computed[build.name]) for build, _ in compiled}
        errors = np.log(np.array([made[build.name] for build, _ in compiled]) / target)
        far = np.log(
            [channel.bytes_per_us / START_CHANNEL.bytes_per_us, *(scales[u] / START_SCALES[u] for u in scales)]
        )
        spread = 0.5 * np.sqrt(np.square(errors).mean())
        return float(np.abs(errors).mean() + spread + PRIOR * np.square(far).sum())

    return Fit(groups, search(loss, start))


def _factors(name: str, rows: Sequence[tuple[Mapping[str, float], float]]) -> np.ndarray:
    times = np.array([time for _, time in rows])
    return fit_group([row for row, _ in rows], times, features_of(name), even=name in EVEN)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation; equal values share the mean of their ranks."""
    ranks = [_ranks(np.asarray(values)) for values in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse])
