"""Calibration samples: raw arrays of training values, normalised as the yaml says, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob

PER_CHANNEL = (1, -1, 1, 1)  # NCHW


@dataclass(frozen=True, slots=True)
class Normalisation:
    """`(value - mean) * scale`, per channel of the training colour order."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    def apply(self, values: np.ndarray) -> np.ndarray:
        """values: (1, C, H, W), any dtype; gives float32."""
        mean = np.asarray(self.mean, np.float32).reshape(PER_CHANNEL)
        scale = np.asarray(self.scale, np.float32).reshape(PER_CHANNEL)
        normalised: np.ndarray = (values.astype(np.float32) - mean) * scale
        return normalised


def normalisation_of(job: CompileJob) -> Normalisation:
    """What the yaml's norm_type, mean_value and scale_value say, one number per channel."""
    source = job.config.inputs[0]
    channels = job.input_shape[1]
    uses_mean = source.norm_type in ("data_mean", "data_mean_and_scale")
    uses_scale = source.norm_type in ("data_scale", "data_mean_and_scale")
    mean = _per_channel(source.mean if uses_mean else (0.0,), channels, "mean_value")
    scale = _per_channel(source.scale if uses_scale else (1.0,), channels, "scale_value")
    return Normalisation(mean, scale)


def _per_channel(values: Sequence[float] | None, channels: int, name: str) -> tuple[float, ...]:
    numbers = tuple(float(v) for v in values or ())
    if len(numbers) == 1:
        return numbers * channels
    if len(numbers) != channels:
        raise ConfigError(
            f"input_parameters.{name} has {len(numbers)} values, expected 1 or {channels}",
            hint="give one number for all channels or one for each",
        )
    return numbers


def read_sample(path: Path, job: CompileJob, normalisation: Normalisation) -> np.ndarray:
    """The float model's input for one calibration file: float32 of `job.input_shape`."""
    values = np.fromfile(path, dtype=job.calibration_dtype)
    if values.size != np.prod(job.input_shape):
        raise DataError(
            f"{path} has {values.size} values, expected {np.prod(job.input_shape)}",
            hint="run edgekit calibrate again",
        )
    if not np.all(np.isfinite(values)):
        raise DataError(
            f"{path} holds values that are not finite, expected pixels in 0..255",
            hint="run edgekit calibrate again, or take the file out of the folder",
        )
    return normalisation.apply(values.reshape(job.input_shape))


def evenly_spaced(files: Sequence[Path], count: int) -> tuple[Path, ...]:
    """`count` files (or all) at equal distances, the first always among them."""
    if len(files) <= count:
        return tuple(files)
    return tuple(files[i * len(files) // count] for i in range(count))
