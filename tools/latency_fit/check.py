"""Leave-one-family-out: what the model says of builds whose family it has not seen, and the table of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.latency.parameters import BuildError, ErrorBand, LatencyParameters, LayerSum
from edgekit.latency.schedule import Channel
from edgekit.records import envelope, to_json
from latency_fit.fit import NO_FRAMES, Fit, fit_all, fit_layers, rank_correlation
from latency_fit.rows import Build

VERSION = 1
MARCH, COMPILER = "bayes-e", "hbdk 3.49.15, O3"
COVERED = 0.9  # of the left-out builds lie within the band
DIGITS = 6
FRAMES_OUTSIDE = 1.25  # how far beyond the shortest and longest frames of the fit an estimate keeps its band


def left_out(builds: tuple[Build, ...], say: Callable[[str], None]) -> tuple[BuildError, ...]:
    """Fit once for every family, without it, and predict its builds at O3."""
    found = []
    for family in sorted({build.family for build in builds if build.frame_us and build.family}):
        say(f"without {family}")
        rest = tuple(build for build in builds if build.family != family)
        fit = fit_all(rest)
        found += [_error(fit, build) for build in builds if build.family == family and build.frame_us]
    return tuple(found)


def layer_sums(builds: tuple[Build, ...], say: Callable[[str], None]) -> tuple[LayerSum, ...]:
    """Predict every build's computing with its family left out: the builds that were compiled for their layers, too."""
    found = []
    for family in sorted({build.family for build in builds if build.family}):
        say(f"layers without {family}")
        fit = Fit(fit_layers(tuple(build for build in builds if build.family != family)), NO_FRAMES)
        found += [_sum(fit, build) for build in builds if build.family == family and any(build.times_us)]
    return tuple(found)


def make_parameters(
    builds: tuple[Build, ...], errors: Sequence[BuildError], sums: Sequence[LayerSum]
) -> LatencyParameters:
    """Fit all builds and state the errors of those left out."""
    fit = fit_all(builds)
    frames = [build.frame_us for build in builds if build.frame_us and build.family]
    channel = fit.frames.channel
    return LatencyParameters(
        version=VERSION,
        march=MARCH,
        compiler=COMPILER,
        groups={name: {one: _short(f) for one, f in factors.items()} for name, factors in fit.groups.items()},
        scales={unit: _short(scale) for unit, scale in fit.frames.scales.items()},
        spill=_short(fit.frames.on_chip),
        channel=Channel(
            _short(channel.bytes_per_us), _short(channel.start_us), _short(channel.buffer_bytes), channel.piece_bytes
        ),
        int8=band_of([one for one in errors if not one.int16], [one for one in sums if not one.int16]),
        int16=band_of([one for one in errors if one.int16], [one for one in sums if one.int16]),
        int16_share=_short(max((_int16_share(fit, build) for build in builds if build.frame_us), default=0.0)),
        frame_us=(_short(min(frames) / FRAMES_OUTSIDE), _short(max(frames) * FRAMES_OUTSIDE)),
        builds=tuple(errors),
        sums=tuple(sums),
    )


def table(parameters: LatencyParameters) -> str:
    """Return the errors of all left-out builds and their summary as text."""
    lines = [f"{'build':24} {'family':6} {'compiled':>10} {'left out':>10} {'error':>7}  rank of layers"]
    for one in parameters.builds:
        share = one.left_out_us / one.compiled_us - 1
        lines.append(
            f"{one.name:24} {one.family:6} {one.compiled_us / 1e3:7.2f} ms {one.left_out_us / 1e3:7.2f} ms "
            f"{100 * share:+6.1f} %  {'-' if one.rank is None else f'{one.rank:.3f}'}"
        )
    for name, band in (("int8", parameters.int8), ("with 16 bits", parameters.int16)):
        lines.append(
            f"{name}: {band.builds} frames, median {100 * band.median:.1f} %, worst {100 * band.worst:.1f} %, "
            f"rank correlation {band.rank:.3f}; band {100 * band.band:.1f} %"
        )
    lines += ["", f"{'computing of all layers':24} {'family':6} {'compiled':>10} {'left out':>10} {'error':>7}  rank"]
    for part in parameters.sums:
        share = part.left_out_us / part.compiled_us - 1
        lines.append(
            f"{part.name:24} {part.family:6} {part.compiled_us / 1e3:7.2f} ms {part.left_out_us / 1e3:7.2f} ms "
            f"{100 * share:+6.1f} %  {part.rank:.3f}"
        )
    return "\n".join(lines)


def errors_as_json(parameters: LatencyParameters) -> dict[str, Any]:
    """Return what `table` prints as a document."""
    return {
        **envelope("latency-check"),
        "compiler": parameters.compiler,
        **{name: to_json(getattr(parameters, name)) for name in ("int8", "int16", "builds", "sums")},
    }


def _sum(fit: Fit, build: Build) -> LayerSum:
    pairs = [
        (time, fit.layer_us(layer))
        for time, layer in zip(build.times_us, build.layers, strict=True)
        if time is not None
    ]
    compiled, predicted = zip(*pairs, strict=True)
    return LayerSum(
        name=build.name,
        family=build.family,
        int16=build.int16,
        compiled_us=round(sum(compiled), 1),
        left_out_us=round(sum(predicted), 1),
        rank=round(rank_correlation(compiled, predicted), 4),
    )


def _error(fit: Fit, build: Build) -> BuildError:
    computed = [fit.layer_us(layer) for layer in build.layers]
    pairs = [(time, mine) for time, mine in zip(build.times_us, computed, strict=True) if time is not None]
    return BuildError(
        name=build.name,
        family=build.family,
        int16=build.int16,
        compiled_us=build.frame_us,
        left_out_us=round(fit.frame_us(build.layers, computed), 1),
        rank=round(rank_correlation(*zip(*pairs, strict=True)), 4) if pairs else None,
    )


def _int16_share(fit: Fit, build: Build) -> float:
    """The share of a build's computing that layers with 16-bit operands take."""
    times = [(layer.bits, fit.layer_us(layer)) for layer in build.layers]
    return sum(time for bits, time in times if bits > 8) / sum(time for _, time in times)


def band_of(errors: Sequence[BuildError], sums: Sequence[LayerSum]) -> ErrorBand:
    """State the errors of frames; the band is the wider of theirs and of the layers' sums, which are more."""
    if not errors:
        return ErrorBand(0, 0.0, 1.0, 0.0, 0.0)
    shares, parts = (
        np.array([abs(one.left_out_us / one.compiled_us - 1) for one in some]) for some in (errors, sums or errors)
    )
    return ErrorBand(
        builds=len(errors),
        median=_short(float(np.median(shares))),
        band=_short(max(float(np.quantile(some, COVERED, method="higher")) for some in (shares, parts))),
        worst=_short(float(shares.max())),
        rank=_short(float(np.median([one.rank for one in errors if one.rank is not None]))),
    )


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def write(path: Path, parameters: LatencyParameters) -> None:
    """Write the parameter file."""
    from edgekit.files import write_json

    write_json(path, parameters.to_dict())
