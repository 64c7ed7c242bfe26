"""What two models are compared on: images, or samples for models that take more than one image or none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.data.image_source import open_source
from edgekit.ops.image import read_image
from edgekit.runtime.array_source import ArraySample, open_samples
from edgekit.runtime.model_inputs import InputSample
from edgekit.spec import ModelSpec

__all__ = ["ComparedItem", "compared_items", "read_item", "stem_of"]

ComparedItem = Path | ArraySample


def compared_items(source: Path, specs: Sequence[ModelSpec]) -> list[ComparedItem]:
    """Return images, or samples where a model takes more than one image or none."""
    if arrays := next((spec for spec in specs if not spec.takes_one_image), None):
        return list(open_samples(source, arrays.inputs))
    return [image.path for image in open_source(source, frames=1).images if image.frame < 0]


def read_item(item: ComparedItem) -> tuple[Path, InputSample, npt.NDArray[np.uint8]]:
    """Return the file, what a session takes of it, and the image to show: one black pixel for a sample."""
    if isinstance(item, Path):
        image_bgr = read_image(item)
        return item, image_bgr, image_bgr
    return Path(item.name), item.read(), np.zeros((1, 1, 3), np.uint8)


def stem_of(item: ComparedItem) -> str:
    """Return the name under which the outputs of an image or sample are dumped."""
    return item.stem if isinstance(item, Path) else item.name
