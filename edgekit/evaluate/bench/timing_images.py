"""The pictures that times are measured on: decoded once, held in memory, shown in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from edgekit.data.frame_source import open_any_source
from edgekit.errors import ImageError
from edgekit.evaluate.labels import Truth
from edgekit.ops.photo import read_photo
from edgekit.runtime.perf import Picture

MAX_PICTURES = 32
GENERATED = 4
GENERATED_SHAPE = (480, 640, 3)


@dataclass(frozen=True, slots=True)
class Pictures:
    """`bgr` pictures and in words where they come from."""

    bgr: Sequence[Picture]
    words: str


def pictures_of_truth(truth: Truth) -> Pictures:
    """The first photos of the data set that can be read; raises ImageError where none can."""
    found: list[Picture] = []
    failure: ImageError | None = None
    for photo in truth.photos[:MAX_PICTURES]:
        try:
            found.append(read_photo(photo.path))
        except ImageError as error:
            failure = error
    if not found and failure is not None:
        raise failure
    return Pictures(found, f"{len(found)} photos of the data set")


def pictures_of_source(source: Path) -> Pictures:
    """The first photos or frames of whatever `open_any_source` takes; raises ImageError where there is none."""
    skipped: list[ImageError] = []
    frames = open_any_source(str(source), on_skip=skipped.append).frames()
    found = [frame.bgr for frame in islice(frames, MAX_PICTURES)]
    if not found:
        raise skipped[0] if skipped else ImageError(f"{source} holds no picture", hint="check the path of --images")
    return Pictures(found, f"{len(found)} pictures of {source.name}")


def generated_pictures() -> Pictures:
    """Noise of a camera's size: it costs what a picture costs, but for the boxes that are not in it."""
    rng = np.random.default_rng(0)
    bgr = [rng.integers(0, 256, GENERATED_SHAPE, np.uint8) for _ in range(GENERATED)]
    return Pictures(bgr, f"{GENERATED} generated pictures without objects")
