"""The values in calibration files: what range they lie in, and what is wrong with it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.calibration.checks import (
    BLUE_SIGMAS,
    BRIGHT_MEAN,
    DARK_MEAN,
    MAJORITY,
    MIN_FOR_COLOUR,
    UNIT_MAXIMUM,
    Warned,
)
from edgekit.errors import DataError

LARGEST = 300.0  # pixels end at 255; interpolation overshoots by little
NEGATIVE_SHARE = 0.1  # of the values; interpolation undershoots in few, a subtracted mean makes half of them negative
AGAIN = "run edgekit calibrate on the images: it writes pixels of 0..255, which the yaml then normalises"


@dataclass(frozen=True, slots=True)
class FileRange:
    """The values of one file: extremes, mean, share below 0, and the mean of each channel (NCHW)."""

    path: Path
    minimum: float
    maximum: float
    mean: float
    negative_share: float
    channel_means: tuple[float, ...]

    @property
    def constant(self) -> bool:
        """Whether every value of the file is the same."""
        return self.minimum == self.maximum


def range_of(path: Path, dtype: str, channels: int) -> FileRange:
    """Look at one calibration file.

    Args:
        path: Raw values, NCHW with a batch of 1.
        dtype: "float32" or "uint8".
        channels: How many planes the values make.

    Raises:
        DataError: Where the file is empty, cannot be read, or holds values that are not finite.
    """
    try:
        values = np.fromfile(path, dtype=dtype)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})", hint="check its rights") from error
    if values.size == 0:
        raise DataError(f"{path} is empty, expected calibration values", hint=AGAIN)
    minimum, maximum = float(values.min()), float(values.max())
    if not (math.isfinite(minimum) and math.isfinite(maximum)):
        raise DataError(
            f"{path} holds values that are not finite, expected pixels in 0..255",
            hint=f"take the file out of the folder, or {AGAIN}",
        )
    planes = values[: values.size // channels * channels].reshape(channels, -1)
    means = tuple(float(mean) for mean in planes.mean(axis=1, dtype=np.float64))
    negative = float(np.count_nonzero(values < 0)) / values.size if minimum < 0 else 0.0
    return FileRange(path, minimum, maximum, statistics.fmean(means), negative, means)


def refuse_ranges(ranges: Sequence[FileRange], *, image: bool) -> None:
    """Refuse calibration files that cannot be what the board feeds.

    Args:
        ranges: The files, looked at.
        image: Whether the board feeds pixels of 0..255 (all inputs but featuremaps).

    Raises:
        DataError: Where most files are constant or, of images, lie in 0..1, below 0 or far above 255.
    """
    constant = [item for item in ranges if item.constant]
    if len(constant) == len(ranges) and (image or not any(item.maximum for item in ranges)):
        expected = "images" if image else "numbers, of which the range is taken"
        raise DataError(
            f"{_these(constant, ranges)} hold one value throughout ({constant[0].minimum:g}), expected {expected}",
            hint=AGAIN,
        )
    if not image:
        return
    unit = [item for item in ranges if max(abs(item.minimum), abs(item.maximum)) <= UNIT_MAXIMUM]
    negative = [item for item in ranges if item.negative_share >= NEGATIVE_SHARE]
    large = [item for item in ranges if item.maximum > LARGEST]
    for deviating, what in (
        (unit, "they were normalised before, and the yaml or the board does it again"),
        (negative, "a mean was subtracted from them before"),
        (large, "they are no 8-bit pixels"),
    ):
        if len(deviating) > MAJORITY * len(ranges):
            low, high = min(item.minimum for item in deviating), max(item.maximum for item in deviating)
            raise DataError(
                f"{_these(deviating, ranges)} hold values of {low:.4g}..{high:.4g}, expected pixels of 0..255: {what}",
                hint=AGAIN,
            )


def warn_ranges(ranges: Sequence[FileRange], *, train_kind: str) -> tuple[Warned, ...]:
    """Name what is odd about calibration files that were not refused; `train_kind` is the yaml's input_type_train."""
    image = train_kind != "featuremap"
    odd: list[tuple[str, list[FileRange], str]] = [("constant", [r for r in ranges if r.constant], "one value")]
    if image:
        dim = [r for r in ranges if not r.constant and max(abs(r.minimum), abs(r.maximum)) <= UNIT_MAXIMUM]
        odd += [
            ("unit range", dim, f"no value above {UNIT_MAXIMUM}"),
            ("negative", [r for r in ranges if r.negative_share >= NEGATIVE_SHARE], "many values below 0"),
            ("large", [r for r in ranges if r.maximum > LARGEST], f"values above {LARGEST:g}"),
        ]
    warned = [
        Warned(code, f"{_these(deviating, ranges)} hold {what}", AGAIN) for code, deviating, what in odd if deviating
    ]
    alike = len(ranges) > 1 and len({(r.minimum, r.maximum, r.channel_means) for r in ranges}) == 1
    if alike:
        warned.append(Warned("monotone", f"all {len(ranges)} calibration files are alike", "give different images"))
    means = [r.mean for r in ranges]
    dark = sum(not DARK_MEAN <= mean <= BRIGHT_MEAN for mean in means)
    if image and train_kind != "yuv444" and dark > MAJORITY * len(ranges):
        message = f"{dark} of {len(ranges)} calibration files are nearly black or white"
        warned.append(Warned("dark", f"{message} (mean {statistics.fmean(means):.0f} of 255)", "look at the images"))
    if (swapped := _colour_order(ranges, train_kind)) is not None:
        warned.append(swapped)
    return tuple(warned)


def _colour_order(ranges: Sequence[FileRange], train_kind: str) -> Warned | None:
    """Red and blue swapped: images lean to red, so a set that surely leans to blue is odd."""
    if train_kind not in ("rgb", "bgr"):
        return None
    red, blue = (0, 2) if train_kind == "rgb" else (2, 0)
    means = [r.channel_means for r in ranges if len(r.channel_means) == 3 and not r.constant]
    leans = [(m[red] - m[blue]) / (m[red] + m[blue]) for m in means if m[red] + m[blue] > 0]
    if len(leans) < MIN_FOR_COLOUR:
        return None
    mean = statistics.fmean(leans)
    if -mean < BLUE_SIGMAS * max(statistics.stdev(leans) / math.sqrt(len(leans)), 1e-6) or mean > -1e-3:
        return None
    return Warned(
        "colour order",
        f"the calibration files are bluer than red (on average by {-mean:.0%}), expected planes in the order "
        f"{', '.join(train_kind.upper())}: were red and blue swapped?",
        "look at a few; skies and water may be right, blue faces are not",
    )


def _these(deviating: Sequence[FileRange], ranges: Sequence[FileRange]) -> str:
    return f"{len(deviating)} of {len(ranges)} calibration files (first: {deviating[0].path.name})"
