"""Classifiers: the images of a folder per class, and how often the right class is the first or among the first five."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from edgekit.data.image_list import images_below
from edgekit.errors import DataError
from edgekit.evaluate.bootstrap import Floats
from edgekit.evaluate.classes import ClassMap
from edgekit.evaluate.labels import Labels
from edgekit.evaluate.predictions import Image, ImageDetections


def load_class_folders(folder: Path, *, split: str = "val", limit: int | None = None) -> Labels:
    """The labels of `folder/<class>/*.jpg` or `folder/<split>/<class>/*.jpg`, as Ultralytics lays them out.

    The class ids are the folders in sorted order. Raises DataError where there are none with images.
    """
    root = folder / split if (folder / split).is_dir() else folder
    classes = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [(path, i) for i, one in enumerate(classes) for path in images_below(one)]
    if not found:
        raise DataError(
            f"{root} has no folders with images, expected one folder per class",
            hint="give the folder whose folders are named as the classes",
        )
    found = sorted(found)[:limit]
    images = tuple(Image(i, path) for i, (path, _) in enumerate(found, 1))
    labels = tuple({"image_id": i, "category_id": class_id} for i, (_, class_id) in enumerate(found, 1))
    return Labels(images, labels, tuple((i, one.name) for i, one in enumerate(classes)), {})


def top_hits(truth: Labels, found: Iterable[ImageDetections], classes: ClassMap, top: int) -> Floats:
    """1 for each readable image whose class is among the best `top`, else 0; in the images' order."""
    wanted = {label["image_id"]: label["category_id"] for label in truth.annotations}
    rows: list[float] = []
    for image in sorted(found, key=lambda one: one.image_id):
        best: Sequence[int] = image.class_ids[:top].tolist()
        rows.append(float(any(classes.category_of.get(i) == wanted.get(image.image_id) for i in best)))
    return np.asarray(rows, np.float64)
