"""The labels of a data set in COCO's layout, whichever format they came in, and the images they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ImageEntry", "Labels"]


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """An image with the id that its labels know it by."""

    image_id: int
    path: Path


@dataclass(frozen=True, slots=True)
class Labels:
    """What is to be detected on a set of images.

    Attributes:
        images: Those that lie on disk.
        annotations: As COCO has them.
        categories: (id, name), each name once.
        sizes_wh: Image id -> (width, height) as the labels declare it; 0 if they do not.
        notes: What was left out, and why.
    """

    images: tuple[ImageEntry, ...]
    annotations: tuple[Mapping[str, Any], ...]
    categories: tuple[tuple[int, str], ...]
    sizes_wh: Mapping[int, tuple[int, int]]
    notes: tuple[str, ...] = ()

    @property
    def has_masks(self) -> bool:
        """Whether any object has an outline or a mask."""
        return any(a.get("segmentation") for a in self.annotations)

    @property
    def has_keypoints(self) -> bool:
        """Whether any object has key points."""
        return any(a.get("keypoints") for a in self.annotations)
