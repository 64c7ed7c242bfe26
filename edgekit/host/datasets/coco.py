"""COCO JSON: the photos that it speaks of, and where they lie."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edgekit.errors import DataError
from edgekit.files import read_json
from edgekit.host.datasets.listing import Listing

MAX_JSON_BYTES = 1 << 30  # instances_train2017.json has 450 MB
PROBED = 50  # photos looked up in each folder to find the right one


@dataclass(frozen=True, slots=True)
class CocoPhoto:
    """One entry of `images`: its id, its file name (relative, without ways out) and its size in pixels."""

    image_id: int
    file_name: str
    width: int
    height: int


def read_coco(path: Path) -> Mapping[str, Any]:
    """The JSON of a COCO file; raises DataError where it is none."""
    data = read_json(path, max_bytes=MAX_JSON_BYTES)
    if not isinstance(data, dict) or not isinstance(data.get("images"), list):
        raise DataError(
            f"{path} has no list `images`, expected a COCO annotation file",
            hint="give instances_*.json or a file of that layout",
        )
    return data


def coco_photos(data: Mapping[str, Any], *, place: str) -> tuple[CocoPhoto, ...]:
    """The entries of `images`, sorted by id; raises DataError naming the entry that is wrong."""
    photos = sorted(
        (_photo(entry, f"{place}: images[{i}]") for i, entry in enumerate(data["images"])),
        key=lambda photo: photo.image_id,
    )
    if not photos:
        raise DataError(f"{place} lists no photos, expected at least one", hint="check the file")
    for one, other in itertools.pairwise(photos):
        if one.image_id == other.image_id:
            raise DataError(f"{place}: image id {one.image_id} stands there twice", hint="make the ids unique")
    return tuple(photos)


def find_photos(
    photos: tuple[CocoPhoto, ...], json_path: Path, *, images_dir: Path | None = None
) -> tuple[Path, Listing]:
    """The folder of the photos and which of them are there.

    Without `images_dir` the usual places around the JSON are tried: beside it, in `images/`, in a folder of
    the split (`val2017` for instances_val2017.json), there and one level up. Raises DataError where no photo
    is found.
    """
    folders = [images_dir] if images_dir else _usual_folders(json_path)
    probes = photos[:: max(1, len(photos) // PROBED)]
    hits = [sum((folder / photo.file_name).is_file() for photo in probes) for folder in folders]
    best = folders[hits.index(max(hits))]
    paths = [best / photo.file_name for photo in photos]
    there = tuple(path for path in paths if path.is_file())
    if not there:
        looked = ", ".join(str(folder) for folder in folders if folder.is_dir())
        raise DataError(
            f"none of the {len(photos)} photos of {json_path} was found (first: {photos[0].file_name}; "
            f"looked in {looked or 'no folder'})",
            hint="name the folder of the photos with --images-dir, or take the JSON of these photos",
        )
    return best, Listing(there, tuple(str(p) for p in paths if not p.is_file()))


def _usual_folders(json_path: Path) -> list[Path]:
    split = re.sub(r"^(instances|person_keypoints|captions|panoptic|image_info)_", "", json_path.stem)
    folders = []
    for root in (json_path.parent, json_path.parent.parent):
        folders += [root, root / "images", root / split, root / "images" / split]
    return folders


def _photo(entry: object, place: str) -> CocoPhoto:
    if not isinstance(entry, dict):
        raise DataError(f"{place} is no object, expected id and file_name", hint="mend the JSON")
    image_id, name = entry.get("id"), entry.get("file_name")
    if not isinstance(image_id, int) or isinstance(image_id, bool):
        raise DataError(f"{place}.id is {image_id!r}, expected a whole number", hint="mend the JSON")
    if not isinstance(name, str) or not name or "\0" in name:
        raise DataError(f"{place}.file_name is {name!r}, expected a file name", hint="mend the JSON")
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]:
        raise DataError(
            f"{place}.file_name is {name!r}, expected a path inside the photos' folder",
            hint="write file names relative to the folder and give that with --images-dir",
        )
    width, height = (_side(entry.get(side), f"{place}.{side}") for side in ("width", "height"))
    return CocoPhoto(image_id, str(pure), width, height)


def _side(value: object, place: str) -> int:
    if value is None:
        return 0  # some tools leave the size out; only masks need it
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1 << 20:
        raise DataError(f"{place} is {str(value)[:40]!r}, expected pixels", hint="mend the JSON")
    return value
