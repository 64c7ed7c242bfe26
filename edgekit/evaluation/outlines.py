"""Outlines and run lengths of masks from foreign files, checked before pycocotools draws them.

pycocotools walks along every edge in fifths of a pixel and holds all these steps at once, so a small file can ask
for gigabytes; and it reads anything that is no outline of three points as something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from edgekit.data.label_faults import Faults, as_integer, as_number, words

MAX_POINTS = 50_000  # of one object
MAX_LENGTH = 1 << 20  # of one object's outlines in pixels: 16 times round an image of 16 megapixels, or 100 MB
MAX_COORDINATE = 1e6
MAX_MASK_PIXELS = 1 << 31  # run lengths are 32 bits wide
MAX_MASK_SIDE = 1 << 20
WITHOUT = "used without outline"
OUTLINE = (
    "outlines [[x, y, ...], ...] of 3 points or more, or run lengths with the image's size and counts that fill it"
)
DRAWABLE = f"at most {MAX_POINTS} points and {MAX_LENGTH} pixels of outline"


def clean_segmentation(value: object, size_wh: tuple[int, int], location: str, faults: Faults) -> Any:
    """Return a COCO `segmentation` that pycocotools can draw, or None where there is none.

    Args:
        value: What the file has: outlines, run lengths, or anything.
        size_wh: The image's size, 0 where it is not known.
        location: Where it stands, for messages.
        faults: Takes what is wrong; the object is then used without its outline, or without a part of it.
    """
    if not value:
        return None
    if isinstance(value, dict):
        runs = _clean_runs(value, size_wh)
        if runs is None:
            declared = f" on an image of {size_wh[0]}x{size_wh[1]} pixels" if all(size_wh) else ""
            faults.add(location, words(f"{_few(value)}{declared}"), OUTLINE, effect=WITHOUT)
        return runs
    if not isinstance(value, list):
        faults.add(location, value, OUTLINE, effect=WITHOUT)
        return None
    if sum(len(part) for part in value if isinstance(part, list)) > 2 * MAX_POINTS:
        faults.add(location, words(f"an outline of over {MAX_POINTS} points"), DRAWABLE, effect=WITHOUT)
        return None
    parts = [_clean_outline(part) for part in value if part != []]
    sound = [part for part in parts if part is not None]
    if len(sound) < len(parts):
        faults.add(location, value, OUTLINE, effect="used without that part" if sound else WITHOUT)
    if not sound:
        return None
    return sound if is_drawable(sound, location, faults) else None


def is_drawable(outlines: Sequence[Sequence[float]], location: str, faults: Faults) -> bool:
    """Return whether drawing `outlines` (x, y, ... in pixels) takes little memory; if not, record a fault.

    Args:
        outlines: Of one object.
        location: Where they stand, for messages.
        faults: Collects what is wrong.

    Returns:
        True if pycocotools can draw them.
    """
    points = sum(len(outline) for outline in outlines) // 2
    if points > MAX_POINTS:
        faults.add(location, words(f"an outline of {points} points"), DRAWABLE, effect=WITHOUT)
        return False
    length = sum(_length(outline) for outline in outlines)
    if length > MAX_LENGTH:
        faults.add(location, words(f"an outline {length:.0f} pixels long"), DRAWABLE, effect=WITHOUT)
        return False
    return True


def mask_area(segmentation: Any, size_wh: tuple[int, int]) -> float:
    """Return the area of a segmentation, as COCO's files have it.

    Args:
        segmentation: As `clean_segmentation` returned it.
        size_wh: The image's size; 0 if it is not known.

    Returns:
        Pixels.
    """
    if isinstance(segmentation, dict):
        height, width = segmentation["size"]
        packed = isinstance(segmentation["counts"], str)
        rle = segmentation if packed else coco_mask.frPyObjects(segmentation, height, width)
        return float(coco_mask.area(rle))
    width, height = size_wh
    if not 0 < width * height < MAX_MASK_PIXELS:
        return float(sum(outline_area(outline) for outline in segmentation))
    return float(coco_mask.area(coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))))


def outline_area(outline: Sequence[float]) -> float:
    """Return the area inside an outline, by the shoelace formula.

    Args:
        outline: x, y, ... in pixels.

    Returns:
        Pixels.
    """
    x, y = np.asarray(outline, np.float64).reshape(-1, 2).T
    return abs(float(x @ np.roll(y, -1) - np.roll(x, -1) @ y)) / 2


def _length(outline: Sequence[float]) -> float:
    """Return the steps along an outline in pixels, each edge counted along its longer side."""
    points = np.asarray(outline, np.float64).reshape(-1, 2)
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum())


def _clean_outline(value: object) -> list[float] | None:
    if not isinstance(value, list) or len(value) < 6 or len(value) % 2:
        return None
    numbers = [as_number(v, low=-MAX_COORDINATE, high=MAX_COORDINATE) for v in value]
    return None if None in numbers else numbers  # type: ignore[return-value]


def _clean_runs(value: Mapping[str, Any], size_wh: tuple[int, int]) -> dict[str, Any] | None:
    size, counts = value.get("size"), value.get("counts")
    if not isinstance(size, list) or len(size) != 2:
        return None
    height, width = (as_integer(side, low=1, high=MAX_MASK_SIDE) for side in size)
    if height is None or width is None or height * width >= MAX_MASK_PIXELS:
        return None
    if any(known and known != side for known, side in zip(size_wh, (width, height), strict=True)):
        return None
    if isinstance(counts, list):
        runs = [as_integer(run, low=0, high=MAX_MASK_PIXELS) for run in counts]
        good = None not in runs and sum(run or 0 for run in runs) == height * width
        return {"size": [height, width], "counts": runs} if good else None
    good = isinstance(counts, str) and packed_pixels(counts) == height * width
    return {"size": [height, width], "counts": counts} if good else None


def packed_pixels(counts: str) -> int:
    """Return how many pixels compressed run lengths fill, without allocating anything of that size.

    Groups of 5 bits, lowest first; from the fourth run on, the difference to the one two before (cocoapi, maskApi.c).

    Args:
        counts: As COCO's files have them.

    Returns:
        Pixels; -1 if they are no run lengths.
    """
    runs: list[int] = []
    value = shift = 0
    for char in counts:
        group = ord(char) - 48
        if not 0 <= group < 64 or shift > 40:
            return -1
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        value -= (1 << shift) if group & 16 else 0
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        if runs[-1] < 0:
            return -1
        value = shift = 0
    return -1 if shift else sum(runs)


def _few(value: Mapping[str, Any]) -> str:
    text = str({key: value.get(key) for key in ("size", "counts")})
    return "".join(c if c.isprintable() else "?" for c in text[:60]) + "..." * (len(text) > 60)
