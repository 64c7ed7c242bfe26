"""What is counted on the maps of every image, one JSON line each, in a file that an interrupted run resumes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.bundle import is_bundle, open_bundle
from edgekit.data.image_loader import map_images
from edgekit.data.image_source import Image
from edgekit.errors import DataError, ImageError
from edgekit.evaluation.map_labels import MapLabels
from edgekit.evaluation.map_scores import (
    ERROR_EDGES,
    ClassSums,
    DepthSums,
    Ints,
    class_pairs,
    depth_errors,
    depth_sums,
    sums_of_pairs,
)
from edgekit.evaluation.predictions import parallel_images
from edgekit.evaluation.row_file import files_fingerprint, resume_rows
from edgekit.files import json_line, sha256_file, writing
from edgekit.progress import Progress, silent
from edgekit.records import envelope
from edgekit.results import DepthMap, SemanticMap
from edgekit.runtime.session import Session
from edgekit.spec import sidecar_path

__all__ = ["ImageCounts", "MapCounts", "MapModel", "count_maps", "map_of"]

SIDES = ("model", "reference", "agreement")
MAX_PIXELS = 1 << 40  # of one count in a row


@dataclass(frozen=True, slots=True)
class MapModel:
    """A model of maps with its file, opened so that maps are interpolated as the float model's are.

    Attributes:
        session: The opened model.
        path: Its file.
    """

    session: Session
    path: Path

    @property
    def task(self) -> str:
        """Return "semantic" or "depth"."""
        return self.session.spec.task

    @property
    def num_classes(self) -> int:
        """Return the number of classes."""
        return len(self.session.spec.names)


@dataclass(frozen=True, slots=True, eq=False)
class MapCounts:
    """What is counted of one map against another.

    Attributes:
        sums: What the measures are made of.
        cells: (c, c) pixels by labelled and predicted class, or (bins,) pixels by relative error of the depth.
    """

    sums: ClassSums | DepthSums
    cells: Ints

    def to_row(self) -> dict[str, Any]:
        """Return plain JSON values."""
        if isinstance(self.sums, ClassSums):
            rows, columns = np.nonzero(self.cells)
            triples = zip(rows.tolist(), columns.tolist(), self.cells[rows, columns].tolist(), strict=True)
            return {"pairs": [list(triple) for triple in triples]}
        values = (self.sums.delta1, self.sums.abs_rel, self.sums.squared)
        return {
            "depth": [float(value) if math.isfinite(value) else None for value in values],
            "errors": self.cells.tolist(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class ImageCounts:
    """What was counted on one image.

    Attributes:
        image_id: Its position among the images, from 0.
        model: The model's map on the labels; None without labels.
        reference: The reference's map on the labels.
        agreement: The model's map with the reference's as labels.
        error: Why the image could not be read; the rest is None then.
    """

    image_id: int
    model: MapCounts | None = None
    reference: MapCounts | None = None
    agreement: MapCounts | None = None
    error: str = ""

    def to_row(self) -> dict[str, Any]:
        """Return plain JSON values."""
        sides = zip(SIDES, (self.model, self.reference, self.agreement), strict=True)
        counted = {name: counts.to_row() for name, counts in sides if counts is not None}
        return {"image_id": self.image_id, **({"error": self.error} if self.error else {}), **counted}


def count_maps(
    model: MapModel,
    reference: MapModel | None,
    images: Sequence[Path],
    labels: MapLabels | None,
    path: Path,
    *,
    progress: Progress = silent,
) -> Iterator[ImageCounts]:
    """Run a model and its reference over images and count, or count what is missing of an earlier run.

    A file of the same models, images and labels is resumed; one of others is written again.

    Args:
        model: The model.
        reference: Another one of the same task and classes.
        images: Image files.
        labels: Of these images.
        path: The file of rows.
        progress: Called per image.

    Returns:
        The counts of every image, read from the file one by one.

    Raises:
        DataError: A label does not fit its image.
        OutputError: The file cannot be written.
    """
    header = _header(model, reference, images, labels)
    task, classes = model.task, model.num_classes
    done = resume_rows(path, header, lambda row: counts_from_row(row, task, classes).image_id, range(len(images)))
    missing = [image_id for image_id in range(len(images)) if image_id not in done]
    stage, hint = f"running {model.path.name}", "free some disk space and run the same command again: it resumes"
    with writing(path, hint=hint), path.open("ab") as stream:
        for done_count, counts in enumerate(_counted(model, reference, images, labels, missing), len(done) + 1):
            stream.write(json_line(counts.to_row()))
            stream.flush()
            progress(stage, done_count, len(images))
    return _read_rows(path, task, classes)


def map_of(session: Session, image_bgr: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Return the map of an image.

    Args:
        session: An opened model of maps.
        image_bgr: (h, w, 3) uint8.

    Returns:
        (h, w) class ids or depths.
    """
    results = session.predict(image_bgr)
    if isinstance(results, SemanticMap):
        return results.class_map
    assert isinstance(results, DepthMap)
    return results.depth


def _header(
    model: MapModel, reference: MapModel | None, images: Sequence[Path], labels: MapLabels | None
) -> dict[str, Any]:
    """Return what every row depends on."""
    about: dict[str, Any] = {**envelope("map_counts"), "task": model.task, "classes": model.num_classes}
    for role, opened in (("model", model), ("reference", reference)):
        about[role] = None if opened is None else _identity(opened)
    about |= {"images": len(images), "images_sha256": files_fingerprint(enumerate(images))}
    if labels is not None:
        about["labels_sha256"] = files_fingerprint(enumerate(labels.images[image] for image in images))
        about["depth_scale"] = labels.depth_scale
        about["class_of"] = {str(number): class_id for number, class_id in sorted(labels.class_of.items())}
    return about


def _identity(opened: MapModel) -> dict[str, Any]:
    path = open_bundle(opened.path).model_path if is_bundle(opened.path) else opened.path
    sidecar = sidecar_path(path)
    return {
        "model": opened.path.name,
        "sha256": sha256_file(path),
        "sidecar_sha256": sha256_file(sidecar) if sidecar.is_file() else "",
        "device": opened.session.device.kind,
    }


def _counted(
    model: MapModel,
    reference: MapModel | None,
    images: Sequence[Path],
    labels: MapLabels | None,
    image_ids: Sequence[int],
) -> Iterator[ImageCounts]:
    """Run the models over images, several at a time where the devices allow it, and count in their order."""

    def maps_of(image_bgr: npt.NDArray[np.uint8]) -> list[npt.NDArray[Any]]:
        return [map_of(opened.session, image_bgr) for opened in (model, reference) if opened is not None]

    threads = min(parallel_images(opened.session) for opened in (model, reference) if opened is not None)
    sources = [Image(images[i], str(images[i])) for i in image_ids]
    for image_id, (image, maps) in zip(image_ids, map_images(sources, maps_of, workers=threads), strict=True):
        if isinstance(maps, ImageError):
            yield ImageCounts(image_id, error=maps.message)
            continue
        height, width = maps[0].shape
        truth = labels.read(image.path, (width, height)) if labels is not None else None
        against = [_count(model, of_model, truth) if truth is not None else None for of_model in maps]
        agreement = _count(model, maps[0], maps[1]) if len(maps) == 2 else None
        yield ImageCounts(image_id, against[0], against[1] if len(maps) == 2 else None, agreement)


def _count(model: MapModel, predicted: npt.NDArray[Any], labels: npt.NDArray[Any]) -> MapCounts:
    if model.task == "semantic":
        pairs = class_pairs(predicted, labels, model.num_classes)
        return MapCounts(sums_of_pairs(pairs), pairs)
    return MapCounts(depth_sums(predicted, labels), depth_errors(predicted, labels))


def _read_rows(path: Path, task: str, num_classes: int) -> Iterator[ImageCounts]:
    with path.open(encoding="utf-8", newline="\n") as stream:
        next(stream)
        for line in stream:
            yield counts_from_row(json.loads(line), task, num_classes)


def counts_from_row(row: Any, task: str, num_classes: int) -> ImageCounts:
    """Return the counts of a row of a file that `count_maps` wrote.

    Args:
        row: The parsed JSON of a line.
        task: "semantic" or "depth".
        num_classes: Number of classes.

    Returns:
        The counts.

    Raises:
        DataError: The row is damaged.
    """
    try:
        image_id = int(row["image_id"])
        if "error" in row:
            return ImageCounts(image_id, error=str(row["error"]))
        model, reference, agreement = (_counts(row.get(side), task, num_classes) for side in SIDES)
        return ImageCounts(image_id, model, reference, agreement)
    except (AttributeError, KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
        raise DataError("a line of the file of counts is damaged", hint="delete the file and run again") from error


def _counts(row: Mapping[str, Any] | None, task: str, num_classes: int) -> MapCounts | None:
    if row is None:
        return None
    if task == "semantic":
        triples = np.asarray(row["pairs"], np.int64).reshape(-1, 3)
        labelled, predicted, pixels = triples.T
        if triples.size and (triples.min() < 0 or triples[:, :2].max() >= num_classes or pixels.max() > MAX_PIXELS):
            raise ValueError("pairs out of range")
        pairs = np.zeros((num_classes, num_classes), np.int64)
        pairs[labelled, predicted] = pixels
        return MapCounts(sums_of_pairs(pairs), pairs)
    values = [math.nan if value is None else float(value) for value in row["depth"]]
    errors = np.asarray(row["errors"], np.int64)
    if errors.shape != (len(ERROR_EDGES) - 1,) or errors.min() < 0 or errors.max() > MAX_PIXELS:
        raise ValueError("errors out of range")
    return MapCounts(DepthSums(*values), errors)
