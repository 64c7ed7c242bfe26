"""Calibration samples: raw arrays of training values, normalised as the yaml says, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob, JobInput

FEATUREMAP = "featuremap"
PER_CHANNEL = (1, -1, 1, 1)  # NCHW


@dataclass(frozen=True, slots=True)
class Normalisation:
    """`(value - mean) * scale`, per channel of the training colour order; without numbers the value as it is."""

    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def apply(self, values: np.ndarray) -> np.ndarray:
        """values: (1, C, H, W), or of any shape without numbers, any dtype; gives float32."""
        if not self.mean:
            return values.astype(np.float32)
        mean = np.asarray(self.mean, np.float32).reshape(PER_CHANNEL)
        scale = np.asarray(self.scale, np.float32).reshape(PER_CHANNEL)
        normalised: np.ndarray = (values.astype(np.float32) - mean) * scale
        return normalised


def normalisation_of(job: CompileJob, model_input: JobInput | None = None) -> Normalisation:
    """What the yaml says of an input (None: the first): norm_type, mean_value and scale_value, a number per channel."""
    item = model_input or job.inputs[0]
    source, channels = item.source, item.shape[1]
    if source.type_train == FEATUREMAP and source.norm_type == "no_preprocess":
        return Normalisation()
    if source.type_train == FEATUREMAP:
        raise ConfigError(
            f"norm_type is {source.norm_type!r} for the featuremap {item.name!r}, expected no_preprocess",
            hint="put the normalisation into the values, or compile with --toolchain hb_mapper",
        )
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


def read_sample(
    path: Path, job: CompileJob, normalisation: Normalisation, model_input: JobInput | None = None
) -> np.ndarray:
    """The float model's input (None: the first) for one calibration file: float32 of the input's shape."""
    item = model_input or job.inputs[0]
    values = np.fromfile(path, dtype=item.calibration_dtype)
    if values.size != np.prod(item.shape):
        raise DataError(
            f"{path} has {values.size} values, expected {np.prod(item.shape)}",
            hint="run edgekit calibrate again",
        )
    if not np.all(np.isfinite(values)):
        raise DataError(
            f"{path} holds values that are not finite, expected numbers",
            hint="run edgekit calibrate again, or take the file out of the folder",
        )
    return normalisation.apply(values.reshape(item.shape))


@dataclass(frozen=True, slots=True)
class Samples:
    """The calibration samples of a job, each named by its file of the first input.

    Attributes:
        job: Whose files are read.
        normalisations: Of its inputs, in their order.
    """

    job: CompileJob
    normalisations: tuple[Normalisation, ...]

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the files of every input that make a sample with `path`, which is the first input's."""
        if not self.job.more_inputs:
            return (path,)
        index = self.job.calibration_files.index(path)
        return tuple(item.calibration_files[index] for item in self.job.inputs)

    def read(self, path: Path) -> dict[str, np.ndarray]:
        """Return the float model's inputs for a sample: name -> float32."""
        parts = zip(self.files(path), self.job.inputs, self.normalisations, strict=True)
        return {item.name: read_sample(file, self.job, norm, item) for file, item, norm in parts}


def samples_of(job: CompileJob) -> Samples:
    """Return the samples of a job; raises ConfigError where a normalisation cannot be meant."""
    return Samples(job, tuple(normalisation_of(job, item) for item in job.inputs))


def evenly_spaced(files: Sequence[Path], count: int) -> tuple[Path, ...]:
    """`count` files (or all) at equal distances, the first always among them."""
    if len(files) <= count:
        return tuple(files)
    return tuple(files[i * len(files) // count] for i in range(count))
