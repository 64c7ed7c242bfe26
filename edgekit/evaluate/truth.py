"""The labels of a data set in COCO's layout, whichever format they came in, and the photos they belong to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import DataError
from edgekit.evaluate.coco_labels import read_annotations, read_categories
from edgekit.evaluate.predictions import Photo
from edgekit.host.calibration.sources import open_source
from edgekit.host.datasets.coco import coco_photos, find_photos, read_coco
from edgekit.host.datasets.listing import Listing
from edgekit.host.datasets.yolo import YoloDataset, label_path, read_dataset, split_photos

MAX_LABEL_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Truth:
    """`images` (id, width, height), `annotations` and `categories` as COCO has them; `photos` are those on disk.

    `notes` says what was left out and why.
    """

    photos: tuple[Photo, ...]
    annotations: tuple[Mapping[str, Any], ...]
    categories: tuple[tuple[int, str], ...]
    sizes_wh: Mapping[int, tuple[int, int]]
    notes: tuple[str, ...] = ()

    @property
    def has_masks(self) -> bool:
        return any(a.get("segmentation") for a in self.annotations)

    @property
    def has_keypoints(self) -> bool:
        return any(a.get("keypoints") for a in self.annotations)


def load_truth(data: Path, *, split: str = "val", images_dir: Path | None = None, limit: int | None = None) -> Truth:
    """Reads COCO JSON, a YOLO dataset yaml, or a folder per class; `limit` keeps the first photos alone.

    Raises DataError where no photo is there, a label is not what it should be, or there are none at all.
    """
    data = Path(data)
    if data.is_dir():
        from edgekit.evaluate.topk import load_class_folders

        truth = load_class_folders(data, split=split, limit=limit)
    elif data.suffix.lower() in (".yaml", ".yml"):
        truth = _from_yolo(read_dataset(data), split, limit)
    elif data.suffix.lower() == ".json":
        truth = _from_coco(data, images_dir, limit)
    else:
        raise DataError(
            f"{data} has the ending {data.suffix!r}, expected COCO .json, a YOLO dataset .yaml, or a folder per class",
            hint="give the annotations with --data and, for COCO, the photos with --images",
        )
    if not truth.annotations:
        raise DataError(
            f"{data} has no labelled object on the {len(truth.photos)} photos that are here, expected at least one",
            hint="check that labels and photos belong together; without labels: --images DIR --against M2",
        )
    return truth


def photos_alone(source: Path, *, split: str = "val", limit: int | None = None) -> Truth:
    """Photos without labels: a folder, list, COCO JSON or `split` of a YOLO dataset; ids are their places in it.

    Raises DataError where there is none.
    """
    source = Path(source)
    if source.suffix.lower() in (".yaml", ".yml") and source.is_file():
        listing = _split_of(read_dataset(source), split)
    else:
        opened = open_source(source, frames=1)
        listing = Listing(tuple(p.path for p in opened.pictures if p.frame < 0), opened.missing)
    if not listing.paths:
        raise DataError(
            f"{source} offers no photos, expected at least one", hint="give a folder, list, COCO JSON or dataset yaml"
        )
    photos = tuple(Photo(i, path) for i, path in enumerate(listing.paths[:limit], 1))
    notes = (f"{len(listing.missing)} photos are not here and were left out",) if listing.missing else ()
    return Truth(photos, (), (), {}, notes)


def _split_of(dataset: YoloDataset, split: str) -> Listing:
    if split not in dataset.splits:
        raise DataError(
            f"{dataset.path} has no split {split!r}, expected one of {', '.join(dataset.splits)}",
            hint="choose another with --split",
        )
    return split_photos(dataset, split)


def _from_coco(path: Path, images_dir: Path | None, limit: int | None) -> Truth:
    data = read_coco(path)
    entries = coco_photos(data, place=str(path))
    folder, listing = find_photos(entries, path, images_dir=images_dir)
    there = set(listing.paths)
    present = [e for e in entries if folder / e.file_name in there][:limit]
    categories = read_categories(data.get("categories"), path)
    kept = {e.image_id for e in present}
    sizes = {e.image_id: (e.width, e.height) for e in entries}
    annotations = tuple(
        a
        for a in read_annotations(data.get("annotations"), path, sizes, {c for c, _ in categories})
        if a["image_id"] in kept
    )
    notes: tuple[str, ...] = ()
    if listing.missing:
        notes += (f"{len(listing.missing)} photos are not here and were left out",)
    bare = sum(not a.get("segmentation") for a in annotations)
    if 0 < bare < len(annotations):
        notes += (f"{bare} labels have no outline and count for boxes alone",)
    return Truth(
        tuple(Photo(e.image_id, folder / e.file_name) for e in present),
        annotations,
        categories,
        {e.image_id: sizes[e.image_id] for e in present},
        notes,
    )


def _from_yolo(dataset: YoloDataset, split: str, limit: int | None) -> Truth:
    listing = _split_of(dataset, split)
    paths = sorted(listing.paths)[:limit]
    if not paths:
        raise DataError(f"{dataset.path}: split {split!r} has no photos", hint="check the paths in the yaml")
    labelled = [path for path in paths if label_path(path).is_file()]
    if not labelled:
        raise DataError(
            f"none of the {len(paths)} photos has a label file (first looked for: {label_path(paths[0])})",
            hint="labels lie in folder `labels` beside `images`, one .txt per photo",
        )
    photos = tuple(Photo(i, path) for i, path in enumerate(paths, 1))
    sizes = {photo.image_id: _size_wh(photo.path) for photo in photos}
    annotations: list[Mapping[str, Any]] = []
    largest = -1
    for photo in photos:
        for line in read_labels(label_path(photo.path), keypoint_shape=dataset.keypoint_shape):
            largest = max(largest, line.class_id)
            annotations.append(_yolo_annotation(line, photo.image_id, len(annotations) + 1, sizes[photo.image_id]))
    names = dataset.names or tuple(f"class {i}" for i in range(largest + 1))
    if largest >= len(names):
        raise DataError(
            f"the labels of {dataset.path} have class {largest}, expected 0..{len(names) - 1} ({len(names)} names)",
            hint="add the missing names to the yaml",
        )
    missing = (f"{len(listing.missing)} entries of the split are not here",) if listing.missing else ()
    return Truth(photos, tuple(annotations), tuple(enumerate(names)), sizes, missing)


@dataclass(frozen=True, slots=True)
class YoloLine:
    """One object of a label file: class and box (cx, cy, w, h) or outline (x, y, ...), all in 0..1.

    `keypoints` are x, y, visibility (0, 1 or 2) for every point.
    """

    class_id: int
    box_cxcywh: tuple[float, float, float, float] | None
    outline: tuple[float, ...] = ()
    keypoints: tuple[float, ...] = ()


def read_labels(path: Path, *, keypoint_shape: tuple[int, ...] = ()) -> list[YoloLine]:
    """The objects of a YOLO label file; none where the file is missing, which means background.

    `keypoint_shape` (points, 2 or 3) of a pose data set: its lines are a box and the points. Raises DataError
    naming file and line where a line is none of a box (5 numbers), an outline, and a box with points.
    """
    try:
        if not path.is_file():
            return []
        if path.stat().st_size > MAX_LABEL_BYTES:
            raise DataError(f"{path} has {path.stat().st_size} bytes, expected labels", hint="check the file")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as labels ({error})", hint="write the file anew") from error
    numbered = [(line.split(), f"{path}:{i}") for i, line in enumerate(lines, 1) if line.strip()]
    if keypoint_shape:
        return [_pose_line(words, place, keypoint_shape) for words, place in numbered]
    return [_line(words, place) for words, place in numbered]


def _pose_line(words: Sequence[str], place: str, keypoint_shape: tuple[int, ...]) -> YoloLine:
    points, dims = keypoint_shape
    if len(words) != 5 + points * dims:
        raise DataError(
            f"{place} has {len(words)} numbers, expected {5 + points * dims} (a class, a box, {points} points of "
            f"{dims})",
            hint="mend the line, or kpt_shape in the yaml",
        )
    box = _line(words[:5], place)
    try:
        values = np.asarray([float(word) for word in words[5:]]).reshape(points, dims)
    except ValueError as error:
        raise DataError(f"{place} has a key point that is no number", hint="mend the line") from error
    seen = values[:, 2:] if dims == 3 else np.full((points, 1), 2.0)
    if not np.isfinite(values).all():
        raise DataError(f"{place} has a key point that is not finite", hint="mend the line")
    return replace(box, keypoints=tuple(np.hstack([values[:, :2], seen]).ravel().tolist()))


def _line(words: Sequence[str], place: str) -> YoloLine:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    good = bool(numbers) and all(math.isfinite(v) for v in numbers) and numbers[0] == int(numbers[0]) >= 0
    outline = len(numbers) >= 7 and len(numbers) % 2 == 1
    if not good or not (len(numbers) == 5 or outline) or not all(-0.01 <= v <= 1.01 for v in numbers[1:]):
        raise DataError(
            f"{place} is {' '.join(words)[:60]!r}, expected a class and 4 numbers (a box) or 6 and more (an "
            "outline) in 0..1",
            hint="write centre x, centre y, width, height as shares of the photo",
        )
    values = numbers[1:]
    if outline:
        return YoloLine(int(numbers[0]), None, tuple(values))
    return YoloLine(int(numbers[0]), (values[0], values[1], values[2], values[3]))


def _yolo_annotation(line: YoloLine, image_id: int, new_id: int, size_wh: tuple[int, int]) -> Mapping[str, Any]:
    width, height = size_wh
    base: dict[str, Any] = {"id": new_id, "image_id": image_id, "category_id": line.class_id, "iscrowd": 0}
    if line.box_cxcywh is not None:
        cx, cy, w, h = line.box_cxcywh
        box = [(cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height]
        if line.keypoints:
            scaled = np.asarray(line.keypoints).reshape(-1, 3) * (width, height, 1)
            base |= {"keypoints": scaled.ravel().tolist(), "num_keypoints": int((scaled[:, 2] > 0).sum())}
        return {**base, "bbox": box, "area": box[2] * box[3]}
    points = [v * (width, height)[i % 2] for i, v in enumerate(line.outline)]
    xs, ys = points[0::2], points[1::2]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    following = zip(xs[1:] + xs[:1], ys[1:] + ys[:1], strict=True)
    twice = sum(x * y2 - x2 * y for x, y, (x2, y2) in zip(xs, ys, following, strict=True))
    return {**base, "bbox": box, "area": abs(twice) / 2, "segmentation": [points]}


def _size_wh(path: Path) -> tuple[int, int]:
    from edgekit.ops.photo import read_photo

    height, width = read_photo(path).shape[:2]
    return width, height
