"""The categories and annotations of a COCO file, checked entry by entry, so that scoring can trust them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.data.label_faults import Faults, as_integer, as_number
from edgekit.errors import DataError
from edgekit.evaluation.outlines import clean_segmentation, mask_area
from edgekit.text import printable

Sizes = Mapping[int, tuple[int, int]]  # image id: width, height; 0 where the file does not say

MAX_KEYPOINTS = 1000
MAX_NAME = 200
ONCE = "counted once"
UNIQUE = "each object once"


def read_categories(value: object, path: Path, faults: Faults) -> tuple[tuple[int, str], ...]:
    """(id, name) of the sound categories, sorted by id; numbers become names, too.

    Raises DataError where there is no such list, or an id stands there with two names.
    """
    if not isinstance(value, list) or not value:
        raise DataError(f"{path} has no list `categories` of id and name", hint="take the full annotation file")
    names: dict[int, str] = {}
    for i, entry in enumerate(value):
        category, name = _category(entry)
        if category is None or name is None:
            faults.add(f"categories[{i}]", entry, "an object with a whole number `id` and a `name`")
        elif names.setdefault(category, name) != name:
            raise DataError(f"{path}: category id {category} stands there twice", hint="make the ids unique")
    if not names:
        faults.refuse(str(path), hint="take the full annotation file")
    return tuple(sorted(names.items()))


def _category(entry: object) -> tuple[int | None, str | None]:
    if not isinstance(entry, dict):
        return None, None
    name = entry.get("name")
    if isinstance(name, float) and name.is_integer():
        name = int(name)
    if isinstance(name, int | float) and not isinstance(name, bool) and abs(name) < 1e15:
        name = str(name)
    if not isinstance(name, str) or not name.strip():
        return as_integer(entry.get("id")), None
    return as_integer(entry.get("id")), printable(name.strip(), MAX_NAME)


def read_annotations(
    value: object, path: Path, sizes_wh: Sizes, category_of: Mapping[int, int], faults: Faults
) -> tuple[dict[str, Any], ...]:
    """Each sound annotation with whole numbers for ids and `iscrowd`, a box, an area and what else it has.

    Args:
        value: `annotations` of the file.
        path: The file, for messages.
        sizes_wh: The images that the file speaks of.
        category_of: For the id of each sound category the id that it counts as.
        faults: Takes what is wrong: such an annotation is left out, or used without its outline or key points.

    Raises:
        DataError: where `annotations` is no list.
    """
    if not isinstance(value, list):
        raise DataError(f"{path} has no list `annotations`, expected one", hint="take the full annotation file")
    annotations: list[dict[str, Any]] = []
    locations: list[str] = []
    contents: set[bytes] = set()
    for i, entry in enumerate(value):
        location = f"annotations[{i}]"
        annotation = _annotation(entry, location, sizes_wh, category_of, faults)
        if annotation is None:
            continue
        content = hashlib.sha256(repr(annotation).encode()).digest()
        if content in contents:
            faults.add(location, {k: annotation[k] for k in ("category_id", "bbox")}, UNIQUE, effect=ONCE)
            continue
        contents.add(content)
        annotations.append({"id": i + 1, **annotation})  # COCOeval takes an id of 0 for "no match"
        locations.append(location)
    _even_keypoints(annotations, locations, faults)
    return tuple(annotations)


def _annotation(
    entry: object, location: str, sizes_wh: Sizes, category_of: Mapping[int, int], faults: Faults
) -> dict[str, Any] | None:
    if not isinstance(entry, dict):
        faults.add(location, entry, "an object")
        return None
    category, image_id = as_integer(entry.get("category_id")), as_integer(entry.get("image_id"))
    if category is None or category not in category_of:
        faults.add(f"{location}.category_id", entry.get("category_id"), "an id in `categories`")
        return None
    if image_id is None or image_id not in sizes_wh:
        faults.add(f"{location}.image_id", entry.get("image_id"), "an id in `images`")
        return None
    box, iscrowd = _box(entry.get("bbox")), _flag(entry.get("iscrowd"))
    if box is None:
        faults.add(f"{location}.bbox", entry.get("bbox"), "[x, y, width, height] with sides above 0")
        return None
    if iscrowd is None:
        faults.add(f"{location}.iscrowd", entry.get("iscrowd"), "0 or 1")
        return None
    outline = clean_segmentation(entry.get("segmentation"), sizes_wh[image_id], f"{location}.segmentation", faults)
    annotation = {"image_id": image_id, "category_id": category_of[category], "bbox": box, "iscrowd": iscrowd}
    annotation["area"] = _area(entry.get("area"), box, outline, sizes_wh[image_id], location, faults)
    if outline is not None:
        annotation["segmentation"] = outline
    points = _keypoints(entry.get("keypoints"), f"{location}.keypoints", faults)
    if points is not None:
        annotation |= {"keypoints": points, "num_keypoints": sum(v > 0 for v in points[2::3])}
    return annotation


def _box(value: object) -> list[float] | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    x, y, width, height = (as_number(v) for v in value)
    if x is None or y is None or width is None or height is None or min(width, height) <= 0:
        return None
    return [x, y, width, height]


def _flag(value: object) -> int | None:
    return int(value) if isinstance(value, bool) else 0 if value is None else as_integer(value, low=0, high=1)


def _area(
    value: object, box: list[float], outline: Any, size_wh: tuple[int, int], location: str, faults: Faults
) -> float:
    """The area that the file says; else that of the mask, as COCO has it, or of the box."""
    area = as_number(value, low=0, high=1e18)
    if area is not None:
        return area
    if value is not None:
        faults.add(f"{location}.area", value, "a number of 0 or more", effect="computed")
    return mask_area(outline, size_wh) if outline is not None else box[2] * box[3]


def _keypoints(value: object, location: str, faults: Faults) -> list[float] | None:
    if value is None or value == []:
        return None
    numbers = [as_number(v) for v in value] if isinstance(value, list) and len(value) <= 3 * MAX_KEYPOINTS else [None]
    if None in numbers or len(numbers) % 3:
        faults.add(location, value, "x, y, visibility for every point", effect="used without key points")
        return None
    return numbers  # type: ignore[return-value]


def _even_keypoints(annotations: list[dict[str, Any]], locations: list[str], faults: Faults) -> None:
    """Takes the key points off those that have another number of them than most: points are compared one by one."""
    counts = Counter(len(a["keypoints"]) for a in annotations if "keypoints" in a)
    usual = counts.most_common(1)[0][0] if counts else 0
    for annotation, location in zip(annotations, locations, strict=True):
        points = annotation.get("keypoints")
        if points is not None and len(points) != usual:
            expected = f"{usual // 3} points as most have"
            faults.add(f"{location}.keypoints", points, expected, effect="used without key points")
            del annotation["keypoints"], annotation["num_keypoints"]
