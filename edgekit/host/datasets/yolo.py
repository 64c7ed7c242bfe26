"""YOLO dataset yaml (Ultralytics): the photos of a split, and the class names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import DataError
from edgekit.host.datasets.listing import Listing, is_photo_name, listed_photos, photos_below
from edgekit.host.safeyaml import read_yaml

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class YoloDataset:
    """What the yaml says: where each split's photos are (folders, lists, photos) and the class names."""

    path: Path
    root: Path
    splits: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...]
    keypoint_shape: tuple[int, ...] = ()  # (points, 2 or 3) of a pose data set


def read_dataset(path: Path) -> YoloDataset:
    """Reads a dataset yaml; raises DataError where it names no split or the names are no list."""
    data = read_yaml(path)
    if not isinstance(data, dict) or not any(data.get(split) for split in SPLITS):
        raise DataError(
            f"{path} names no photos, expected one of the keys {', '.join(SPLITS)}",
            hint="give a YOLO dataset yaml; a PTQ yaml goes to edgekit compile",
        )
    splits = {split: _entries(data[split], f"{path}: {split}") for split in SPLITS if data.get(split)}
    root = _root(Path(path), data.get("path"))
    return YoloDataset(Path(path), root, splits, _names(data, path), _keypoint_shape(data.get("kpt_shape"), path))


def split_photos(dataset: YoloDataset, split: str) -> Listing:
    """The photos of a split; folders are read recursively, lists line by line."""
    paths: list[Path] = []
    missing: list[str] = []
    for entry in dataset.splits.get(split, ()):
        place = _place(dataset, entry)
        if place.is_dir():
            paths += photos_below(place)
        elif place.is_file() and is_photo_name(place.name):
            paths.append(place)
        elif place.is_file():
            listing = listed_photos(place, root=dataset.root)
            paths += listing.paths
            missing += listing.missing
        else:
            missing.append(entry)
    return Listing(tuple(dict.fromkeys(paths)), tuple(missing))


def label_path(photo: Path) -> Path:
    """Where Ultralytics looks for a photo's labels: the last folder `images` read as `labels`, `.txt`."""
    parts = list(photo.parts)
    where = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if where:
        parts[where[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _entries(value: object, place: str) -> tuple[str, ...]:
    entries = value if isinstance(value, list) else [value]
    for entry in entries:
        if not isinstance(entry, str) or not entry or "\0" in entry:
            raise DataError(f"{place} has {entry!r}, expected a folder or list file", hint="mend the yaml")
    return tuple(entries)


def _root(path: Path, value: object) -> Path:
    """`path:` of the yaml, beside the yaml or below the current folder; the yaml's folder without it."""
    if value is None or value == "":
        return path.parent
    if not isinstance(value, str) or "\0" in value:
        raise DataError(f"{path}: path is {value!r}, expected a folder", hint="mend the yaml")
    beside = path.parent / value
    return beside if beside.is_dir() or not Path(value).is_dir() else Path(value)


def _place(dataset: YoloDataset, entry: str) -> Path:
    """An entry below the root, beside the yaml, or (Roboflow's exports) one level too high."""
    inner = entry.removeprefix("../")
    tried = [dataset.root / entry, dataset.path.parent / entry, dataset.root / inner]
    return next((place for place in tried if place.exists()), tried[0])


def _names(data: Mapping[str, object], path: Path) -> tuple[str, ...]:
    names = data.get("names")
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise DataError(f"{path}: names has gaps, expected the keys 0..{len(names) - 1}", hint="fill them")
        names = [names[i] for i in range(len(names))]
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, (str, int)) for name in names):
        raise DataError(f"{path}: names is {str(names)[:60]!r}, expected a list of names", hint="mend the yaml")
    return tuple(str(name) for name in names)


def _keypoint_shape(value: object, path: Path) -> tuple[int, ...]:
    if value is None:
        return ()
    good = isinstance(value, list) and len(value) == 2 and all(type(side) is int for side in value)
    if not good or not isinstance(value, list) or not 1 <= value[0] <= 1000 or value[1] not in (2, 3):
        raise DataError(f"{path}: kpt_shape is {str(value)[:40]!r}, expected [points, 2 or 3]", hint="mend the yaml")
    return tuple(value)
