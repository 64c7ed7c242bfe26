"""The cut model made easier to quantize by what its calibration images show: rounded weights, biases, and Clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from edgekit.compilation.job import load_job
from edgekit.errors import ConfigError
from edgekit.folding.bias_correction import corrected_model
from edgekit.folding.clip import clip_outputs
from edgekit.folding.clip_bounds import boundable, positive_bounds
from edgekit.folding.rounding import rounded_model
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.calibration.collect import observe
from edgekit.sim.compiler.prepared_model import prepare_model

__all__ = ["Refinement"]

LEAST_FRACTION = 0.9  # below, a Clip cuts off what detections are made of


@dataclass(frozen=True, slots=True)
class Refinement:
    """What `edgekit calibrate` does to the float graph besides cutting it.

    Attributes:
        bias_correction: Whether biases take back what rounding the weights shifts on average.
        round_weights: Whether weights are rounded with error compensation, which corrects the biases, too.
        clips: Share of all elements that a Clip behind each convolution keeps, by the positive side of its output;
            None for no Clips.
    """

    bias_correction: bool = False
    round_weights: bool = False
    clips: float | None = None

    def __post_init__(self) -> None:
        if self.clips is not None and not LEAST_FRACTION <= self.clips <= 1:
            raise ConfigError(
                f"--clips is {self.clips:g}, expected {LEAST_FRACTION:g} to 1", hint="0.9999 keeps all but 1 in 10000"
            )

    @property
    def changes(self) -> bool:
        """Whether anything is done."""
        return self.bias_correction or self.round_weights or self.clips is not None

    def to_json(self) -> dict[str, Any]:
        """Return what a manifest says of it; empty where nothing is done."""
        flags = {"bias_correction": self.bias_correction, "round_weights": self.round_weights}
        request: dict[str, Any] = {name: True for name, is_set in flags.items() if is_set}
        return request if self.clips is None else {**request, "clips": self.clips}

    def notes(self) -> tuple[str, ...]:
        """Return what has to be said of it."""
        return tuple(
            note
            for done, note in (
                (self.bias_correction, "biases take back what int8 weights shift on average"),
                (self.round_weights, "weights are rounded to their int8 grids with error compensation"),
                (self.clips is not None, f"Clips behind convolutions keep {self.clips} of their values"),
            )
            if done
        )

    def apply(self, yaml: Path, *, progress: Progress = silent) -> onnx.ModelProto:
        """Return the cut model of a calibration folder, refined.

        Args:
            yaml: The folder's yaml; its calibration files are read.
            progress: Called per calibration image.

        Returns:
            The float graph; the same tensors and outputs as before.

        Raises:
            ModelError: An operation that the simulated compiler cannot quantize.
        """
        prepared = prepare_model(load_job(yaml))
        model = onnx.load(prepared.job.onnx_path)
        if self.round_weights:  # its biases are corrected, too
            model, _ = rounded_model(prepared, progress=progress)
        elif self.bias_correction:
            model, _ = corrected_model(prepared, progress=progress)
        if self.clips is None:
            return model
        tensors = [name for pair in boundable(prepared.graph, prepared.plan).items() for name in pair]
        histograms = observe(prepared.job, prepared.graph, tensors, progress=progress)
        bounds = positive_bounds(histograms, prepared.graph, prepared.plan, fraction=self.clips)
        return clip_outputs(model, bounds) if bounds else model
