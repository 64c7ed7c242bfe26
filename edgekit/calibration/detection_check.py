"""Whether the float model sees anything on its calibration data: the best score on a few samples."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgekit.calibration.checks import Warned
from edgekit.decode.cell_scores import cell_scores, has_scores
from edgekit.decode.tasks import TASKS
from edgekit.errors import DataError, EdgekitError

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob

SAMPLES = 4
MIN_DETECTION_SCORE = (
    0.25  # best score of a sample; trained models have 0.8 to 0.9 on images, under 0.1 on what is no image
)
CLEARLY = 0.4  # what another reading of the files must reach to be the right one
SATURATED = 0.99  # no model is as sure as this of an image; on undivided pixels all are
UNDIVIDED = 20.0  # a normalised value above this was never divided
TWICE_DIVIDED = 2 / 255  # dark images reach further

Values = npt.NDArray[np.float32]
READINGS: Mapping[str, tuple[str, Callable[[Values], Values]]] = {
    "scaled": ("multiplied by 255: they were divided twice", lambda x: x * np.float32(255)),
    "undivided": ("divided by 255: nothing in the yaml does it", lambda x: x / np.float32(255)),
    "layout": (
        "read as rows of pixels (NHWC): planes (NCHW) are expected",
        lambda x: np.ascontiguousarray(x.reshape(x.shape[0], *x.shape[2:], x.shape[1]).transpose(0, 3, 1, 2)),
    ),
}


@dataclass(frozen=True, slots=True)
class Sight:
    """The best score of each sample, and what is odd about them; no scores where the task has none to judge by."""

    best_scores: tuple[float, ...] = ()
    warnings: tuple[Warned, ...] = ()


def look(job: CompileJob) -> Sight:
    """Run the float model on a few calibration samples as the yaml normalises them.

    Args:
        job: The compile job; its sidecar must describe the ONNX, else nothing is judged.

    Returns:
        The best class scores, with a warning where the model sees nothing or is sure of everything.

    Raises:
        DataError: Where another reading of the same files lets the model see: then they are surely written wrong.
    """
    if not TASKS[job.spec.task].has_boxes or not any(has_scores(head) for head in job.spec.outputs):
        return Sight()
    try:
        score, samples = _scorer(job), _samples(job)
        scores = [score(sample) for sample in samples]
    except (EdgekitError, ImportError):
        return Sight()  # a model that only the vendor's toolchain reads
    typical, largest = statistics.median(scores), max(float(np.abs(sample).max()) for sample in samples)
    if typical >= MIN_DETECTION_SCORE and (largest <= UNDIVIDED or typical <= SATURATED):
        return Sight(tuple(scores))
    for name in _readings(largest):
        reading_text, reading = READINGS[name]
        better = statistics.median([score(reading(sample)) for sample in samples])
        if CLEARLY <= better <= SATURATED:
            raise DataError(
                f"the float model sees nothing in the calibration files (best score {typical:.2g}), but scores "
                f"{better:.2f} with their values {reading_text}",
                hint="run edgekit calibrate on the images: it writes planes of 0..255, which the yaml then divides",
            )
    return Sight(tuple(scores), (_warning(scores, typical, largest),))


def _readings(largest: float) -> tuple[str, ...]:
    """Other readings that the range of the normalised values allows."""
    if largest > UNDIVIDED:
        return ("undivided",)
    return ("scaled", "layout") if largest <= TWICE_DIVIDED else ("layout",)


def _warning(scores: list[float], typical: float, largest: float) -> Warned:
    best = ", ".join(f"{score:.2g}" for score in scores)
    if typical >= MIN_DETECTION_SCORE:
        return Warned(
            "undivided",
            f"the yaml leaves values up to {largest:.0f} and the float model is sure of everything (best scores "
            f"{best}), expected an input of 0..1",
            "set scale_value: 0.003921568627451 in the yaml, as edgekit calibrate does",
        )
    return Warned(
        "blind",
        f"the float model sees nothing on {len(scores)} calibration samples (best scores {best}), expected "
        f"{MIN_DETECTION_SCORE} and more on images of what it was trained for",
        "calibrate on images that show what the model finds; edgekit run on the float ONNX shows it",
    )


def _samples(job: CompileJob) -> list[Values]:
    from edgekit.calibration.samples import evenly_spaced, normalisation_of, read_sample

    normalisation = normalisation_of(job)
    return [read_sample(path, job, normalisation) for path in evenly_spaced(job.calibration_files, SAMPLES)]


def _scorer(job: CompileJob) -> Callable[[Values], float]:
    """The best score of an image, (1, C, H, W) float32; raises ModelError where the sidecar is another model's."""
    from edgekit.decode.heads import Heads
    from edgekit.runtime.ort import OrtDevice

    device, outputs = OrtDevice(job.onnx_path, name=str(job.onnx_path)), Heads(job.spec)

    def score(sample: Values) -> float:
        heads = device.infer({job.input_name: sample})
        outputs.check(heads)
        head_scores = [
            cell_scores(head, job.spec, heads[head.name]).max() for head in job.spec.outputs if has_scores(head)
        ]
        return float(max(head_scores))

    return score
