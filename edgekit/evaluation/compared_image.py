"""An image that two models were compared on: what both detect there, and how near their layers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.results import Results

__all__ = ["ComparedImage"]


@dataclass(frozen=True, slots=True, eq=False)
class ComparedImage:
    """An image as both models see it.

    Attributes:
        path: Of the image.
        image_bgr: (h, w, 3) uint8.
        results: Of the reference and of the other model; fewer where one is a folder of dumps.
        cosines: Name of an inner tensor -> cosine on this image alone.
        index: Of the image among all compared.
        total: Number of images compared.
    """

    path: Path
    image_bgr: npt.NDArray[np.uint8]
    results: tuple[Results, ...]
    cosines: Mapping[str, float]
    index: int = 0
    total: int = 1
