"""YOLO dataset yaml (Ultralytics): the images of a split, and the class names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.data.image_list import Listing, images_below, is_image_name, listed_images
from edgekit.data.plain_yaml import read_yaml
from edgekit.datapath import resolve
from edgekit.errors import DataError
from edgekit.labels import generic_names
from edgekit.text import check_integer, shorten

SPLITS = ("train", "val", "test")
SPELLINGS = {"valid": "val", "validation": "val"}  # as Roboflow and others export it
MAX_CLASSES = 100_000
PATH_HINT = "correct the yaml; put a name that is a number in quotes"


@dataclass(frozen=True, slots=True)
class YoloDataset:
    """What the yaml says: where each split's images are (folders, lists, images) and the class names."""

    path: Path
    root: Path
    splits: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...]
    keypoint_shape: tuple[int, ...] = ()  # (points, 2 or 3) of a pose data set


def read_dataset(path: Path) -> YoloDataset:
    """Read a dataset yaml; raises DataError where it names no split or the names are no list."""
    data = _spelled(read_yaml(path, words=True))
    if not isinstance(data, dict) or not any(data.get(split) for split in SPLITS):
        raise DataError(
            f"{path} names no images, expected one of the keys {', '.join(SPLITS)}",
            hint="give a YOLO dataset yaml; a PTQ yaml goes to edgekit compile",
        )
    splits = {split: _entries(data[split], f"{path}: {split}") for split in SPLITS if data.get(split)}
    root = _root(Path(path), data.get("path"))
    return YoloDataset(Path(path), root, splits, _names(data, path), _keypoint_shape(data.get("kpt_shape"), path))


def _spelled(data: object) -> object:
    """The yaml's keys, a split's other spelling made the usual one where that does not stand there, too."""
    if not isinstance(data, dict):
        return data
    renamed = {key: SPELLINGS.get(key, key) for key in data}
    return {name: data[key] for key, name in renamed.items() if name == key or name not in data}


def split_images(dataset: YoloDataset, split: str) -> Listing:
    """The images of a split; folders are read recursively, lists line by line."""
    paths: list[Path] = []
    missing: list[str] = []
    for entry in dataset.splits.get(split, ()):
        location = _location(dataset, entry)
        if location is None:
            missing.append(entry)
        elif location.is_dir():
            paths += images_below(location)
        elif location.is_file() and is_image_name(location.name):
            paths.append(location)
        elif location.is_file():
            listing = listed_images(location, root=dataset.root)
            paths += listing.paths
            missing += listing.missing
        else:
            missing.append(entry)
    return Listing(tuple(dict.fromkeys(paths)), tuple(missing))


def label_path(image: Path) -> Path:
    """Where Ultralytics looks for an image's labels: the last folder `images` read as `labels`, `.txt`."""
    parts = list(image.parts)
    where = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if where:
        parts[where[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _entries(value: object, location: str) -> tuple[str, ...]:
    entries = value if isinstance(value, list) else [value]
    for entry in entries:
        if not _is_path(entry):
            raise DataError(f"{location} has {shorten(entry)}, expected a folder or list file", hint=PATH_HINT)
    return tuple(entries)


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _root(path: Path, value: object) -> Path:
    """`path:` of the yaml, beside the yaml or below the current folder; the yaml's folder without it."""
    if value is None or value == "":
        return path.parent
    if not isinstance(value, str) or "\0" in value:
        raise DataError(f"{path}: path is {shorten(value)}, expected a folder", hint=PATH_HINT)
    return resolve(value, [path.parent, Path()]) or path.parent / value


def _location(dataset: YoloDataset, entry: str) -> Path | None:
    """An entry below the root, beside the yaml, or (Roboflow's exports) one level too high."""
    plain = entry.replace("\\", "/")
    return resolve(entry, [dataset.root, dataset.path.parent]) or resolve(plain.removeprefix("../"), [dataset.root])


def _names(data: Mapping[str, object], path: Path) -> tuple[str, ...]:
    """The class names: a list, a mapping from 0 on (its keys numbers or text), or `nc` numbered ones."""
    names, count = data.get("names"), data.get("nc")
    if names is None and count is not None:
        total = check_integer(count, f"{path}: nc", low=1, high=MAX_CLASSES)
        return generic_names(total)
    if isinstance(names, dict):
        by_id = {int(key): name for key, name in names.items() if str(key).isascii() and str(key).isdigit()}
        if len(by_id) != len(names) or sorted(by_id) != list(range(len(names))):
            raise DataError(f"{path}: names has gaps, expected the keys 0..{len(names) - 1}", hint="fill them")
        names = [by_id[i] for i in range(len(names))]
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str | int | float) for name in names):
        raise DataError(f"{path}: names is {shorten(names)}, expected a list of names", hint="correct the yaml")
    return tuple(str(name) for name in names)


def _keypoint_shape(value: object, path: Path) -> tuple[int, ...]:
    if value is None:
        return ()
    good = isinstance(value, list) and len(value) == 2 and all(type(side) is int for side in value)
    if not good or not isinstance(value, list) or not 1 <= value[0] <= 1000 or value[1] not in (2, 3):
        raise DataError(f"{path}: kpt_shape is {str(value)[:40]!r}, expected [points, 2 or 3]", hint="correct the yaml")
    return tuple(value)
