"""The loss of a candidate, shared out among its tensors: what rounding and what saturation of each adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.ops.buffers import Buffers
from edgekit.ops.image import read_image
from edgekit.ops.pixels import normalised
from edgekit.ops.prepare import prepare_image
from edgekit.tuning.builds import candidate_thresholds
from edgekit.tuning.candidate import PLAIN, Candidate
from edgekit.tuning.search import SearchContext
from edgekit.tuning.workspace import Workspace

__all__ = ["AttributeLoss", "Attribution", "attribute_loss"]

IMAGES_PER_TASK = 8  # a killed search loses no more
STAGE = "what each tensor costs"


@dataclass(frozen=True, slots=True)
class Attribution:
    """Parts of a candidate's loss.

    Attributes:
        rounding: Tensor -> the part that its rounding adds, of a whole of 1; negative where it makes up for others.
        saturation: The same of its saturation.
    """

    rounding: Mapping[str, float]
    saturation: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class AttributeLoss:
    """Share out the roots of the losses of `count` images from the `first` on, summed over them."""

    candidate: Candidate
    first: int
    count: int

    def to_json(self) -> dict[str, Any]:
        """Return its identity."""
        values = {"candidate": self.candidate.to_json(), "first": self.first, "count": self.count}
        return {"task": "attribute", **values}

    def run(self, workspace: Workspace) -> dict[str, list[float]]:
        """Return tensor -> (rounding's part, saturation's part)."""
        from edgekit.learn.attribution import Attributor
        from edgekit.learn.torch_library import load_torch

        load_torch().set_num_threads(1)
        model, thresholds = candidate_thresholds(workspace, self.candidate)
        original = workspace.model(self.candidate.calibration_set, PLAIN)
        spec = original.job.spec
        attribute = Attributor(model, thresholds, original, spec)
        sums: dict[str, np.ndarray[Any, Any]] = {}
        for path in workspace.learned_images()[self.first : self.first + self.count]:
            pixels, _ = prepare_image(read_image(path), spec.input, spec.preprocess, Buffers())
            for name, parts in attribute(normalised(pixels, spec.input, spec.preprocess)).items():
                sums[name] = sums.get(name, np.zeros(2)) + parts
        return {name: parts.tolist() for name, parts in sums.items()}


def attribute_loss(context: SearchContext, candidate: Candidate, *, images: int | None = None) -> Attribution:
    """Share out a candidate's loss on images that were learned from, so that those that judge it stay apart.

    Args:
        context: What is searched with.
        candidate: The candidate.
        images: At most so many; None is all that the workspace names.

    Returns:
        The parts, which sum up to 1; without any tensor where nothing is lost.
    """
    count = len(context.workspace.learned_images()[:images])
    starts = range(0, count, IMAGES_PER_TASK)
    tasks = [AttributeLoss(candidate, start, min(IMAGES_PER_TASK, count - start)) for start in starts]
    sums: dict[str, np.ndarray[Any, Any]] = {}
    for result in context.run(STAGE, tasks):
        for name, parts in result.items():
            sums[name] = sums.get(name, np.zeros(2)) + parts
    whole = float(sum(parts.sum() for parts in sums.values()))
    if not whole > 0:  # nothing is lost, or the weights lose all
        return Attribution({}, {})
    rounding, saturation = ({name: float(parts[i] / whole) for name, parts in sums.items()} for i in (0, 1))
    return Attribution(rounding, saturation)
