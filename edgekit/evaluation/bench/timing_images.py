"""The images that times are measured on: decoded once, held in memory, shown in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from edgekit.data.frame_source import open_any_source
from edgekit.errors import ImageError
from edgekit.evaluation.labels import Labels
from edgekit.ops.image import read_image
from edgekit.runtime.perf import Image

MAX_IMAGES = 32
GENERATED = 4
GENERATED_SHAPE = (480, 640, 3)


@dataclass(frozen=True, slots=True)
class TimingImages:
    """`bgr` images and in words where they come from."""

    bgr: Sequence[Image]
    words: str


def images_of_labels(labels: Labels) -> TimingImages:
    """The first images of the data set that can be read; raises ImageError where none can."""
    images: list[Image] = []
    failure: ImageError | None = None
    for image in labels.images[:MAX_IMAGES]:
        try:
            images.append(read_image(image.path))
        except ImageError as error:
            failure = error
    if not images and failure is not None:
        raise failure
    return TimingImages(images, f"{len(images)} images of the data set")


def images_of_source(source: Path) -> TimingImages:
    """The first images or frames of whatever `open_any_source` takes; raises ImageError where there is none."""
    skipped: list[ImageError] = []
    frames = open_any_source(str(source), on_skip=skipped.append).frames()
    images = [frame.bgr for frame in islice(frames, MAX_IMAGES)]
    if not images:
        raise skipped[0] if skipped else ImageError(f"{source} holds no image", hint="check the path of --images")
    return TimingImages(images, f"{len(images)} images of {source.name}")


def generated_images() -> TimingImages:
    """Noise of a camera's size: it costs what an image costs, but for the boxes that are not in it."""
    rng = np.random.default_rng(0)
    bgr = [rng.integers(0, 256, GENERATED_SHAPE, np.uint8) for _ in range(GENERATED)]
    return TimingImages(bgr, f"{GENERATED} generated images without objects")
