"""What a test knows of a value and its type does not: that it is there, and which kind of result it is."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from edgekit.results import Detections, Results

T = TypeVar("T")


def required(value: T | None) -> T:
    """Return `value`; fails the test where there is none."""
    assert value is not None
    return value


def detections(results: Results) -> Detections:
    """Return `results`; fails the test where they are of another kind."""
    assert isinstance(results, Detections)
    return results


def as_image(pixels: np.ndarray | None) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) uint8; fails the test where cv2 could not read it."""
    assert pixels is not None and pixels.dtype == np.uint8
    return pixels
