"""The categories and annotations of a COCO file, checked entry by entry, so that scoring can trust them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import DataError

Sizes = Mapping[int, tuple[int, int]]  # image id: width, height; 0 where the file does not say


def read_categories(value: object, path: Path) -> tuple[tuple[int, str], ...]:
    """(id, name) sorted by id; raises DataError where there is no such list or an id stands there twice."""
    good = isinstance(value, list) and all(
        isinstance(c, dict) and _is_id(c.get("id")) and isinstance(c.get("name"), str) for c in value
    )
    if not good or not value:
        raise DataError(f"{path} has no list `categories` of id and name", hint="take the full annotation file")
    assert isinstance(value, list)
    ids = [c["id"] for c in value]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise DataError(f"{path}: category id {twice[0]} stands there twice", hint="make the ids unique")
    return tuple(sorted((c["id"], c["name"]) for c in value))


def read_annotations(value: object, path: Path, sizes_wh: Sizes, category_ids: set[int]) -> Iterator[Mapping[str, Any]]:
    """Each annotation with a box, an area and a whole-number `iscrowd`; raises DataError naming the wrong one."""
    if not isinstance(value, list):
        raise DataError(f"{path} has no list `annotations`, expected one", hint="take the full annotation file")
    for i, entry in enumerate(value):
        place = f"{path}: annotations[{i}]"
        if not isinstance(entry, dict):
            raise DataError(f"{place} is no object", hint="mend the JSON")
        category, image_id = entry.get("category_id"), entry.get("image_id")
        if not _is_id(category) or category not in category_ids:
            raise DataError(
                f"{place}.category_id is {str(category)[:40]}, expected one of the ids in `categories`",
                hint="add the category, or mend the annotation",
            )
        if not isinstance(image_id, int) or image_id not in sizes_wh:
            raise DataError(
                f"{place}.image_id is {str(image_id)[:40]}, which is no id in `images`", hint="mend the JSON"
            )
        if entry.get("segmentation"):
            _check_segmentation(entry["segmentation"], f"{place}.segmentation", sizes_wh[image_id])
        yield _annotation(entry, place, i + 1)


def _annotation(entry: Mapping[str, Any], place: str, new_id: int) -> Mapping[str, Any]:
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(v) for v in box) or min(box[2:]) < 0:
        raise DataError(f"{place}.bbox is {str(box)[:60]}, expected [x, y, width, height]", hint="mend the JSON")
    area = entry.get("area", box[2] * box[3])
    if not _is_number(area):
        raise DataError(f"{place}.area is {str(area)[:60]!r}, expected a number", hint="mend the JSON")
    points = entry.get("keypoints")
    if points is not None:
        if not isinstance(points, list) or len(points) % 3 or not all(_is_number(v) for v in points):
            raise DataError(
                f"{place}.keypoints is {str(points)[:60]}, expected x, y, visibility for every point",
                hint="mend the JSON",
            )
        entry = {"num_keypoints": sum(v > 0 for v in points[2::3]), **entry}
    # COCOeval takes an id of 0 for "no match", and some tools number from 0
    return {**entry, "id": new_id, "area": area, "iscrowd": int(bool(entry.get("iscrowd", 0)))}


def _check_segmentation(value: object, place: str, size_wh: tuple[int, int]) -> None:
    """Outlines of 3 points and more, or run lengths of the photo's size: pycocotools reads anything else wrongly."""
    good = _are_runs(value, size_wh) if isinstance(value, dict) else _are_outlines(value)
    if not good:
        expected = f"size [{size_wh[1]}, {size_wh[0]}] and counts that fill it" if all(size_wh) else "size and counts"
        raise DataError(
            f"{place} is {str(value)[:60]}, expected outlines [[x, y, ...], ...] of 3 points or more, or {expected}",
            hint="mend the annotation, or leave its segmentation out",
        )


def _are_outlines(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(line, list) and len(line) >= 6 and len(line) % 2 == 0 and all(_is_number(v) for v in line)
        for line in value
    )


def _are_runs(value: Mapping[str, Any], size_wh: tuple[int, int]) -> bool:
    size, counts = value.get("size"), value.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(_is_id(v) and v > 0 for v in size):
        return False
    if any(known and known != side for known, side in zip(size_wh[::-1], size, strict=True)):
        return False
    if isinstance(counts, list):
        return all(_is_id(v) and v >= 0 for v in counts) and sum(counts) == size[0] * size[1]
    return isinstance(counts, str) and _pixels(counts) == size[0] * size[1]


def _pixels(counts: str) -> int:
    """How many pixels compressed run lengths fill; -1 where they are none. Nothing of that size is allocated.

    Groups of 5 bits, lowest first; from the fourth run on, the difference to the one two before (cocoapi, maskApi.c).
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


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
