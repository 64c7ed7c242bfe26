"""Labels of COCO JSON, YOLO dataset yamls and folders per class, read into one layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.data.coco import coco_images, find_images, is_there, read_coco
from edgekit.data.image_list import Listing, images_below
from edgekit.data.image_source import open_source
from edgekit.data.label_faults import Faults, words
from edgekit.data.yolo import YoloDataset, label_path, read_dataset, split_images
from edgekit.errors import DataError, ImageError
from edgekit.evaluation.classes import merge_categories
from edgekit.evaluation.coco_labels import read_annotations, read_categories
from edgekit.evaluation.labels import ImageEntry, Labels
from edgekit.evaluation.yolo_labels import YoloLine, read_labels, yolo_annotation

__all__ = ["load_labels", "unlabelled_images"]


def load_labels(
    data: Path,
    *,
    split: str = "val",
    images_dir: Path | None = None,
    limit: int | None = None,
    strict: bool = False,
) -> Labels:
    """Read the labels of a data set; faulty ones are skipped and reported in its notes.

    Args:
        data: COCO JSON, a YOLO dataset yaml, or a folder per class.
        split: The split of a YOLO dataset or of class folders.
        images_dir: Where the images of a COCO JSON lie.
        limit: Keep only the first images.
        strict: Refuse labels with any fault.

    Returns:
        The labels of the images that lie on disk.

    Raises:
        DataError: If no image is there, no label is sound, or one is not and `strict` is set; the message lists all
            faults.
    """
    data = Path(data)
    faults = Faults()
    if data.is_dir():
        labels = _from_class_folders(data, split, limit)
    elif data.suffix.lower() in (".yaml", ".yml"):
        labels = _from_yolo(read_dataset(data), split, limit, faults)
    elif data.suffix.lower() == ".json":
        labels = _from_coco(data, images_dir, limit, faults)
    else:
        raise DataError(
            f"{data} has the ending {data.suffix!r}, expected COCO .json, a YOLO dataset .yaml, or a folder per class",
            hint="give the annotations with --data and, for COCO, the images with --images",
        )
    if strict:
        faults.refuse(str(data), hint="fix them, or remove --strict to score what is sound")
    if not labels.annotations:
        faults.refuse(str(data), hint="fix the labels: no object is left to score on")
        raise DataError(
            f"{data} has no labelled object on the {len(labels.images)} images that are here, expected at least one",
            hint="check that labels and images belong together; without labels: --images DIR --against M2",
        )
    merged = _merged(labels)
    return replace(merged, notes=(*faults.notes(str(data)), *labels.notes, *merged.notes))


def _merged(labels: Labels) -> Labels:
    """Return `labels` with categories of equal names merged; its notes are only about that."""
    merged = merge_categories(labels.categories)
    annotations = tuple({**a, "category_id": merged.kept[a["category_id"]]} for a in labels.annotations)
    return replace(labels, annotations=annotations, categories=merged.categories, notes=merged.notes)


def unlabelled_images(source: Path, *, split: str = "val", limit: int | None = None) -> Labels:
    """Return images without labels, numbered from 1.

    Args:
        source: A folder, list, COCO JSON or YOLO dataset yaml.
        split: The split of a YOLO dataset.
        limit: Keep only the first images.

    Returns:
        Labels with images alone.

    Raises:
        DataError: If there is no image.
    """
    source = Path(source)
    if source.suffix.lower() in (".yaml", ".yml") and source.is_file():
        listing = _split_of(read_dataset(source), split)
    else:
        opened = open_source(source, frames=1)
        listing = Listing(tuple(p.path for p in opened.images if p.frame < 0), opened.missing)
    if not listing.paths:
        raise DataError(
            f"{source} offers no images, expected at least one", hint="give a folder, list, COCO JSON or dataset yaml"
        )
    images = tuple(ImageEntry(i, path) for i, path in enumerate(listing.paths[:limit], 1))
    notes = (f"{len(listing.missing)} images are not here and were skipped",) if listing.missing else ()
    return Labels(images, (), (), {}, notes)


def _split_of(dataset: YoloDataset, split: str) -> Listing:
    if split not in dataset.splits:
        raise DataError(
            f"{dataset.path} has no split {split!r}, expected one of {', '.join(dataset.splits)}",
            hint="choose another with --split",
        )
    return split_images(dataset, split)


def _from_class_folders(folder: Path, split: str, limit: int | None) -> Labels:
    """Read `folder/<class>/*.jpg` or `folder/<split>/<class>/*.jpg`, Ultralytics' layout; class ids by sorted name."""
    root = folder / split if (folder / split).is_dir() else folder
    classes = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    rows = sorted((path, i) for i, folder_of_class in enumerate(classes) for path in images_below(folder_of_class))
    if not rows:
        raise DataError(
            f"{root} has no folders with images, expected one folder per class",
            hint="give the folder whose folders are named as the classes",
        )
    rows = rows[:limit]
    images = tuple(ImageEntry(i, path) for i, (path, _) in enumerate(rows, 1))
    labels = tuple({"image_id": i, "category_id": class_id} for i, (_, class_id) in enumerate(rows, 1))
    return Labels(images, labels, tuple((i, path.name) for i, path in enumerate(classes)), {})


def _from_coco(path: Path, images_dir: Path | None, limit: int | None, faults: Faults) -> Labels:
    data = read_coco(path)
    entries = coco_images(data, location=str(path), faults=faults)
    folder, listing = find_images(entries, path, images_dir=images_dir)
    there = set(listing.paths)
    present = [e for e in entries if folder / e.file_name in there][:limit]
    merged = merge_categories(read_categories(data.get("categories"), path, faults))
    kept = {e.image_id for e in present}
    sizes = {e.image_id: (e.width, e.height) for e in entries}
    read = read_annotations(data.get("annotations"), path, sizes, merged.kept, faults)
    annotations = tuple(a for a in read if a["image_id"] in kept)
    notes = merged.notes
    if listing.missing:
        notes += (f"{len(listing.missing)} images are not here and were skipped",)
    bare = sum(not a.get("segmentation") for a in annotations)
    if 0 < bare < len(annotations):
        notes += (f"{bare} labels have no outline and count only as boxes",)
    images = tuple(ImageEntry(e.image_id, folder / e.file_name) for e in present)
    return Labels(images, annotations, merged.categories, {e.image_id: sizes[e.image_id] for e in present}, notes)


def _from_yolo(dataset: YoloDataset, split: str, limit: int | None, faults: Faults) -> Labels:
    listing = _split_of(dataset, split)
    paths = sorted(listing.paths)[:limit]
    if not paths:
        raise DataError(f"{dataset.path}: split {split!r} has no images", hint="check the paths in the yaml")
    if not any(is_there(label_path(path)) for path in paths):
        raise DataError(
            f"none of the {len(paths)} images has a label file (first looked for: {label_path(paths[0])})",
            hint="labels lie in folder `labels` beside `images`, one .txt per image",
        )
    images: list[ImageEntry] = []
    sizes: dict[int, tuple[int, int]] = {}
    annotations: list[Mapping[str, Any]] = []
    unread: list[str] = []
    largest = -1
    for image in (ImageEntry(i, path) for i, path in enumerate(paths, 1)):
        lines = read_labels(label_path(image.path), faults, keypoint_shape=dataset.keypoint_shape)
        if lines is None:
            continue
        images.append(image)
        known = [line for line in lines if _has_name(line, dataset.names, faults)]
        largest = max([largest, *(line.class_id for line in known)])
        try:
            sizes[image.image_id] = _size_wh(image.path)
        except ImageError as error:  # reported when the models run
            unread.append(error.message)
            continue
        for line in known:
            read = yolo_annotation(line, image.image_id, sizes[image.image_id], faults)
            annotations.append({"id": len(annotations) + 1, **read})
    if unread and not sizes:
        raise DataError(f"none of the {len(unread)} images can be read (first: {unread[0]})", hint="check the images")
    names = dataset.names or tuple(f"class {i}" for i in range(largest + 1))
    notes = (f"{len(listing.missing)} entries of the split are not here",) if listing.missing else ()
    return Labels(tuple(images), tuple(annotations), tuple(enumerate(names)), sizes, notes)


def _has_name(line: YoloLine, names: Sequence[str], faults: Faults) -> bool:
    if names and line.class_id >= len(names):
        expected = f"0..{len(names) - 1}, as the yaml has {len(names)} names"
        faults.add(line.location, words(f"of class {line.class_id}"), expected)
        return False
    return True


def _size_wh(path: Path) -> tuple[int, int]:
    from edgekit.ops.image import read_image

    height, width = read_image(path).shape[:2]
    return width, height
