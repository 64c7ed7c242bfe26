"""The maps of two models side by side, and where they differ."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.evaluation.side_by_side import GAP, MARK
from edgekit.ops.draw import DARK, draw_text
from edgekit.results import DepthMap, SemanticMap

__all__ = ["differing_pixels", "draw_maps", "map_side_by_side"]

BgrImage = npt.NDArray[np.uint8]
FARTHER, NEARER = (40, 40, 230), (230, 120, 40)  # red and blue, as opposite as they can be told apart
FULL_CHANGE = 0.25  # relative difference of a depth from which its color is full
DIMMED = 0.4  # share of the grey image that stays behind the differences


def draw_maps(image_bgr: BgrImage, a: SemanticMap | DepthMap, b: SemanticMap | DepthMap) -> tuple[BgrImage, BgrImage]:
    """Draw two maps of an image alike: depths in the same colors, by the range of A.

    Args:
        image_bgr: (h, w, 3) uint8.
        a: Of the reference.
        b: Of the other model, of the same kind.

    Returns:
        Both drawings, (h, w, 3) uint8 each.
    """
    if isinstance(a, DepthMap) and isinstance(b, DepthMap):
        return a.draw(image_bgr), b.draw(image_bgr, depth_range=a.depth_range)
    return a.draw(image_bgr), b.draw(image_bgr)


def map_side_by_side(
    image_bgr: BgrImage, a: SemanticMap | DepthMap, b: SemanticMap | DepthMap, text: str = ""
) -> BgrImage:
    """Draw the map of A left, that of B in the middle, and what differs right.

    Args:
        image_bgr: (h, w, 3) uint8.
        a: Of the reference.
        b: Of the other model, of the same kind.
        text: On the right image, such as how much differs.

    Returns:
        (h, 3 w + 2 GAP, 3) uint8.
    """
    left, middle = draw_maps(image_bgr, a, b)
    gap = np.full((image_bgr.shape[0], GAP, 3), 255, np.uint8)
    right = differing_pixels(image_bgr, a, b)
    if text:
        draw_text(right, text, (0, right.shape[0] - 8), DARK)
    return np.hstack([left, gap, middle, gap, right])


def differing_pixels(image_bgr: BgrImage, a: SemanticMap | DepthMap, b: SemanticMap | DepthMap) -> BgrImage:
    """Mark where two maps differ on the dimmed image.

    Args:
        image_bgr: (h, w, 3) uint8.
        a: Of the reference.
        b: Of the other model, of the same kind.

    Returns:
        (h, w, 3) uint8: pixels of another class in yellow; depths that are farther in red and nearer ones in blue, the
        stronger the more they differ.
    """
    grey = cv2.cvtColor(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    image = (grey * DIMMED).astype(np.float32)
    if isinstance(a, DepthMap) and isinstance(b, DepthMap):
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.nan_to_num(b.depth / a.depth - 1, posinf=FULL_CHANGE, neginf=-FULL_CHANGE)
        share = np.minimum(np.abs(change) / FULL_CHANGE, 1)[..., None]
        color = np.where(change[..., None] > 0, np.asarray(FARTHER, np.float32), np.asarray(NEARER, np.float32))
        image = image * (1 - share) + color * share
    elif isinstance(a, SemanticMap) and isinstance(b, SemanticMap):
        image[a.class_map != b.class_map] = MARK
    return np.rint(image).astype(np.uint8)
