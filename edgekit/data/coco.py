"""COCO JSON: the images that it speaks of, and where they lie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edgekit.data.image_list import Listing
from edgekit.data.label_faults import Faults, as_integer
from edgekit.errors import DataError
from edgekit.text import read_json_file

MAX_JSON_BYTES = 1 << 30  # instances_train2017.json has 450 MB
MAX_SIDE = 1 << 20
PROBED = 50  # images looked up in each folder to find the right one


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One entry of `images`: its id, its file name (relative, without ways out) and its size in pixels."""

    image_id: int
    file_name: str
    width: int
    height: int


def read_coco(path: Path) -> Mapping[str, Any]:
    """The JSON of a COCO file; raises DataError where it is none.

    NaN and infinities are let through: one of them in an annotation is a fault of that annotation alone.
    """
    data = read_json_file(Path(path), max_bytes=MAX_JSON_BYTES, finite=False)
    if not isinstance(data, dict) or not isinstance(data.get("images"), list):
        raise DataError(
            f"{path} has no list `images`, expected a COCO annotation file",
            hint="give instances_*.json or a file of that layout",
        )
    return data


def coco_images(data: Mapping[str, Any], *, location: str, faults: Faults | None = None) -> tuple[CocoImage, ...]:
    """Return the sound entries of `images`, sorted by id.

    Args:
        data: What `read_coco` returned.
        location: The file, for messages.
        faults: Takes the entries that are wrong, which are left out.

    Returns:
        One entry per image: id, file name and size (width, height) in pixels.

    Raises:
        DataError: No entry is sound.
    """
    faults = Faults() if faults is None else faults
    by_id: dict[int, CocoImage | None] = {}
    for i, entry in enumerate(data["images"]):
        image = _image(entry, f"images[{i}]", faults)
        if image is None:
            continue
        if image.image_id not in by_id:
            by_id[image.image_id] = image
        elif by_id[image.image_id] != image:  # whose labels are they? nobody's
            by_id[image.image_id] = None
            faults.add(f"images[{i}].id", image.image_id, "an id that does not stand there twice")
    images = sorted((image for image in by_id.values() if image is not None), key=lambda image: image.image_id)
    if not images:
        faults.refuse(location, hint="fix the JSON: every entry of `images` needs an id and a file_name")
        raise DataError(f"{location} lists no images, expected at least one", hint="check the file")
    return tuple(images)


def find_images(
    images: tuple[CocoImage, ...], json_path: Path, *, images_dir: Path | None = None
) -> tuple[Path, Listing]:
    """The folder of the images and which of them are there.

    Without `images_dir` the usual places around the JSON are tried: beside it, in `images/`, in a folder of
    the split (`val2017` for instances_val2017.json), there and one level up. Raises DataError where no image
    is found.
    """
    folders = [images_dir] if images_dir else _usual_folders(json_path)
    probes = images[:: max(1, len(images) // PROBED)]
    hits = [sum(is_there(folder / image.file_name) for image in probes) for folder in folders]
    if not any(hits):  # a few images of a long file
        hits = [sum(is_there(folder / image.file_name) for image in images) for folder in folders]
    best = folders[hits.index(max(hits))]
    paths = [best / image.file_name for image in images]
    there = tuple(path for path in paths if is_there(path))
    if not there:
        looked = ", ".join(str(folder) for folder in folders if folder.is_dir())
        raise DataError(
            f"none of the {len(images)} images of {json_path} was found (first: {images[0].file_name}; "
            f"looked in {looked or 'no folder'})",
            hint="name the folder of the images with --images-dir, or take the JSON of these images",
        )
    return best, Listing(there, tuple(str(p) for p in paths if not is_there(p)))


def _usual_folders(json_path: Path) -> list[Path]:
    split = re.sub(r"^(instances|person_keypoints|captions|panoptic|image_info)_", "", json_path.stem)
    folders = []
    for root in (json_path.parent, json_path.parent.parent):
        folders += [root, root / "images", root / split, root / "images" / split]
    return folders


def is_there(path: Path) -> bool:
    """Whether a file is at `path`; a name that no file system takes, or a locked folder, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _image(entry: object, location: str, faults: Faults) -> CocoImage | None:
    if not isinstance(entry, dict):
        faults.add(location, entry, "an object with id and file_name")
        return None
    image_id, name = as_integer(entry.get("id")), _inner_path(entry.get("file_name"))
    if image_id is None:
        faults.add(f"{location}.id", entry.get("id"), "a whole number")
    if name is None:
        faults.add(f"{location}.file_name", entry.get("file_name"), "a path inside the images' folder (--images-dir)")
    if image_id is None or name is None:
        return None
    width, height = (_side(entry.get(side), f"{location}.{side}", faults) for side in ("width", "height"))
    return CocoImage(image_id, name, width, height)


def _inner_path(value: object) -> str | None:
    """The relative path of a file below a folder, with forward slashes; None where `value` is none."""
    if not isinstance(value, str) or "\0" in value:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return None
    pure = PurePosixPath(value.replace("\\", "/"))
    inside = pure.parts and not pure.is_absolute() and ".." not in pure.parts and ":" not in pure.parts[0]
    return str(pure) if inside else None


def _side(value: object, location: str, faults: Faults) -> int:
    """A side in pixels; 0 where the file does not say (some tools leave the size out, and only masks need it)."""
    side = 0 if value is None else as_integer(value, low=0, high=MAX_SIDE)
    if side is None:
        faults.add(location, value, "pixels", effect="taken for unknown")
    return side or 0
