"""The images on which two models differ most, written side by side."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.evaluation.detection_diff import DetectionDiff
from edgekit.evaluation.map_diff import MapDiff
from edgekit.evaluation.map_side_by_side import map_side_by_side
from edgekit.evaluation.side_by_side import side_by_side
from edgekit.files import ReadFiles
from edgekit.ops.image import read_image
from edgekit.output.writer import write_image
from edgekit.results import DepthMap, Detections, SemanticMap
from edgekit.runtime.session import Session

__all__ = ["draw_detections", "draw_maps"]

DRAWN_IMAGES = 5  # of those that differ most
BgrImage = npt.NDArray[np.uint8]


def draw_detections(
    differences: Sequence[DetectionDiff], images: Sequence[Path], sessions: tuple[Session, Session], folder: Path
) -> tuple[DetectionDiff, ...]:
    """Draw the detections of A left and of B right, for the images that differ most.

    Args:
        differences: One per image.
        images: Paths.
        sessions: Of A and B.
        folder: Where to.

    Returns:
        The differences with the names of their drawings.
    """

    def draw(i: int, image_bgr: BgrImage) -> BgrImage:
        a, b = (session.predict(image_bgr) for session in sessions)
        assert isinstance(a, Detections) and isinstance(b, Detections)
        return side_by_side(image_bgr, a, b, differences[i])

    names = _write_most_changed([difference.changes for difference in differences], images, folder, draw)
    return tuple(replace(difference, drawing=names.get(i, "")) for i, difference in enumerate(differences))


def draw_maps(
    differences: Sequence[MapDiff], images: Sequence[Path], sessions: tuple[Session, Session], folder: Path
) -> tuple[MapDiff, ...]:
    """Draw the maps of A and B and where they differ, for the images that differ most.

    Args:
        differences: One per image.
        images: Paths.
        sessions: Of A and B.
        folder: Where to.

    Returns:
        The differences with the names of their drawings.
    """

    def draw(i: int, image_bgr: BgrImage) -> BgrImage:
        a, b = (session.predict(image_bgr) for session in sessions)
        assert isinstance(a, SemanticMap | DepthMap) and isinstance(b, SemanticMap | DepthMap)
        return map_side_by_side(image_bgr, a, b, differences[i].text)

    names = _write_most_changed([difference.value for difference in differences], images, folder, draw)
    return tuple(replace(difference, drawing=names.get(i, "")) for i, difference in enumerate(differences))


def _write_most_changed(
    changes: Sequence[float], images: Sequence[Path], folder: Path, draw: Callable[[int, BgrImage], BgrImage]
) -> dict[int, str]:
    """Write the drawings of the images that changed most; return position -> name."""
    order = sorted(range(len(changes)), key=lambda i: -changes[i])
    names: dict[int, str] = {}
    read = ReadFiles(images)
    for i in sorted(i for i in order[:DRAWN_IMAGES] if changes[i] > 0):
        name = _image_name(images[i], names.values())
        read.refuse(folder / name)
        write_image(folder / name, draw(i, read_image(images[i])))
        names[i] = name
    return names


def _image_name(image: Path, taken: Collection[str]) -> str:
    """Return a name after the image's that no other image has: with its suffix or a number if stems are equal."""
    stems = itertools.chain((image.stem, image.name), (f"{image.name}-{n}" for n in itertools.count(2)))
    return next(name for stem in stems if (name := f"{stem}_compare.jpg") not in taken)
