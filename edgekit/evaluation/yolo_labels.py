"""YOLO label files: one object a line, as shares of the image; and the same objects in COCO's layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.data.label_faults import Faults, as_number, words
from edgekit.errors import DataError
from edgekit.evaluation.coco_labels import ONCE, UNIQUE
from edgekit.evaluation.outlines import DRAWABLE, MAX_POINTS, is_drawable, outline_area
from edgekit.text import read_text

MAX_LABEL_BYTES = 16 << 20
MAX_OBJECTS = 50_000  # of one image
MAX_CLASS = 99_999
MARGIN = 0.01  # what a tool's rounding may put outside the image
LINE = "a class and 4 numbers (a box) or 6 and more (an outline) in 0..1, with a width and a height"


@dataclass(frozen=True, slots=True)
class YoloLine:
    """One object of a label file: class and box (cx, cy, w, h) or outline (x, y, ...), all in 0..1.

    `keypoints` are x, y, visibility (0, 1 or 2) for every point; `location` is its file and line.
    """

    class_id: int
    box_cxcywh: tuple[float, float, float, float] | None
    outline: tuple[float, ...] = ()
    keypoints: tuple[float, ...] = ()
    location: str = field(default="", compare=False)


def read_labels(path: Path, faults: Faults, *, keypoint_shape: tuple[int, ...] = ()) -> list[YoloLine] | None:
    """The sound objects of a YOLO label file, each once.

    Args:
        path: The file; none there means background.
        faults: Takes the lines that are none of a box, an outline, and a box with points, and those that stand twice.
        keypoint_shape: (points, 2 or 3) of a pose data set, whose lines are a box and the points.

    Returns:
        The objects, or None where the file as a whole cannot be read as labels.
    """
    try:
        if not path.exists():
            return []
        lines = read_text(path, max_bytes=MAX_LABEL_BYTES).split("\n")
    except (OSError, ValueError, DataError) as error:
        faults.add(str(path), words(f"unreadable ({error})"), "UTF-8 text", effect="left out with their images")
        return None
    if len(lines) > MAX_OBJECTS and sum(bool(line.strip()) for line in lines) > MAX_OBJECTS:
        faults.add(str(path), words("too long"), f"at most {MAX_OBJECTS} lines", effect="left out with their images")
        return None
    objects: dict[YoloLine, None] = {}
    for i, line in enumerate(lines, 1):
        if not line.strip():
            continue
        read = _line(line, f"{path}:{i}", keypoint_shape, faults)
        if read is not None and read in objects:
            faults.add(read.location, line.strip(), UNIQUE, effect=ONCE)
        elif read is not None:
            objects[read] = None
    return list(objects)


def yolo_annotation(line: YoloLine, image_id: int, size_wh: tuple[int, int], faults: Faults) -> dict[str, Any]:
    """One object in pixels of its image, laid out as an annotation of COCO."""
    width, height = size_wh
    base: dict[str, Any] = {"image_id": image_id, "category_id": line.class_id, "iscrowd": 0}
    if line.box_cxcywh is not None:
        cx, cy, w, h = line.box_cxcywh
        box = [(cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height]
        if line.keypoints:
            scaled = np.asarray(line.keypoints).reshape(-1, 3) * (width, height, 1)
            base |= {"keypoints": scaled.ravel().tolist(), "num_keypoints": int((scaled[:, 2] > 0).sum())}
        return {**base, "bbox": box, "area": box[2] * box[3]}
    scaled = np.asarray(line.outline).reshape(-1, 2) * size_wh
    low, high = scaled.min(axis=0), scaled.max(axis=0)
    points = scaled.ravel().tolist()
    base |= {"bbox": [*low.tolist(), *(high - low).tolist()], "area": outline_area(points)}
    return {**base, "segmentation": [points]} if is_drawable([points], line.location, faults) else base


def _line(line: str, location: str, keypoint_shape: tuple[int, ...], faults: Faults) -> YoloLine | None:
    if len(line) > 4 * MAX_POINTS and len(line.split()) > 2 * MAX_POINTS + 1:
        faults.add(location, words(f"an outline of over {MAX_POINTS} points"), DRAWABLE)
        return None
    parts = line.split()
    points, dims = keypoint_shape or (0, 0)
    if keypoint_shape and len(parts) != 5 + points * dims:
        expected = f"{5 + points * dims} (a class, a box, {points} points of {dims})"
        faults.add(location, words(f"{len(parts)} numbers"), expected)
        return None
    plain = parts[:5] if keypoint_shape else parts
    class_id = as_number(plain[0], low=0, high=MAX_CLASS)
    shares = _numbers(plain[1:], low=-MARGIN, high=1 + MARGIN)
    boxed = len(plain) == 5
    outlined = len(plain) >= 7 and len(plain) % 2 == 1
    good = class_id is not None and class_id.is_integer() and (boxed or outlined)
    if class_id is None or shares is None or not good or not _has_size(shares):
        faults.add(location, line.strip(), LINE)
        return None
    if not boxed:
        return YoloLine(int(class_id), None, shares, location=location)
    values = _numbers(parts[5:])
    if values is None:
        faults.add(location, line.strip(), "numbers for its key points")
        return None
    box = (shares[0], shares[1], shares[2], shares[3])
    return YoloLine(int(class_id), box, keypoints=_with_visibility(values, keypoint_shape), location=location)


def _numbers(parts: Sequence[str], *, low: float = -1e6, high: float = 1e6) -> tuple[float, ...] | None:
    numbers = [as_number(part, low=low, high=high) for part in parts]
    return None if None in numbers else tuple(number for number in numbers if number is not None)


def _has_size(shares: Sequence[float]) -> bool:
    """Whether a box (cx, cy, w, h) or an outline is wider and higher than nothing."""
    if len(shares) == 4:
        return min(shares[2:]) > 0
    return len(shares) >= 6 and min(max(shares[i::2]) - min(shares[i::2]) for i in (0, 1)) > 0


def _with_visibility(values: tuple[float, ...], keypoint_shape: tuple[int, ...]) -> tuple[float, ...]:
    """x, y, visibility of every point; points without it are seen (2)."""
    if not keypoint_shape or keypoint_shape[1] == 3:
        return values
    pairs = zip(values[0::2], values[1::2], strict=True)
    return tuple(v for x, y in pairs for v in (x, y, 2.0))
