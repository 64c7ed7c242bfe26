"""What a model detected on one image, and its row in a predictions file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError, DataError
from edgekit.evaluation.outlines import packed_pixels
from edgekit.evaluation.rle import masks_to_rles
from edgekit.results import (
    TOP_CLASSES,
    Classifications,
    Detections,
    Poses,
    Results,
    RotatedDetections,
    Segmentations,
)

__all__ = ["ImageDetections", "detections_from_row", "is_intact", "row_from_results"]


@dataclass(frozen=True, slots=True)
class ImageDetections:
    """What was detected on one image, best first.

    Attributes:
        image_id: As the labels number it.
        size_wh: Of the image, in pixels.
        boxes_xyxy: (n, 4) float32, in pixels; a classifier's best classes have boxes of zeros.
        scores: (n,) float32.
        class_ids: (n,) int32.
        rles: Of segmentation: n compressed COCO run lengths.
        keypoints: Of poses: (n, k, 3) float32, x, y, visibility.
        rotated_xywhr: Of oriented boxes: (n, 5) float32, the angle in radians.
        error: Why the image could not be read; the rest is empty then.
    """

    image_id: int
    size_wh: tuple[int, int]
    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]
    rles: tuple[dict[str, Any], ...] = ()
    keypoints: npt.NDArray[np.float32] | None = None
    rotated_xywhr: npt.NDArray[np.float32] | None = None
    error: str = ""


def is_intact(detections: ImageDetections) -> bool:
    """Return whether detections that were read back are consistent; pycocotools hangs on run lengths that are too few.

    Args:
        detections: Of one image.

    Returns:
        True if the columns are of one length and every mask fills its image.
    """
    count = len(detections.scores)
    pixels = detections.size_wh[0] * detections.size_wh[1]
    return (
        len(detections.boxes_xyxy) == len(detections.class_ids) == count
        and len(detections.rles) in (0, count)
        and all(packed_pixels(rle["counts"]) == pixels for rle in detections.rles)
    )


def row_from_results(results: Results) -> dict[str, Any]:
    """Return a row of a predictions file, without its image id.

    Args:
        results: Of one image.

    Returns:
        Plain JSON values: boxes to 0.001 pixels, scores to 1e-6.
    """
    if isinstance(results, Classifications):
        top = results.top(min(TOP_CLASSES, len(results.names)))
        row = {"boxes_xyxy": [[0, 0, 0, 0]] * len(top), "scores": [round(p, 6) for _, p in top]}
        return {"size_wh": list(results.size_wh), **row, "class_ids": [i for i, _ in top]}
    if not isinstance(results, Detections):
        raise ConfigError(
            "a raw model's arrays have no scores to evaluate, expected detections or classes",
            hint="edgekit compare measures how near the arrays of two models are",
        )
    row = {
        "size_wh": list(results.size_wh),
        "boxes_xyxy": _rounded(results.boxes_xyxy, 3),
        "scores": _rounded(results.scores, 6),
        "class_ids": results.class_ids.tolist(),
    }
    if isinstance(results, Segmentations):
        row["rles"] = [rle["counts"] for rle in masks_to_rles(results.masks, results.size_wh)]
    if isinstance(results, Poses):
        points = np.concatenate([results.keypoints_xy, results.visibility[..., None]], axis=2)
        row["keypoints"] = _rounded(points, 3)
    if isinstance(results, RotatedDetections):
        row["rotated_xywhr"] = _rounded(results.boxes_xywhr, 5)
    return row


def _rounded(values: npt.NDArray[Any], digits: int) -> list[Any]:
    rounded: list[Any] = np.round(values.astype(np.float64), digits).tolist()
    return rounded


def _array(values: object, shape: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
    if values is None:
        return None
    flat = np.asarray(values, np.float32)
    return flat.reshape(shape) if flat.size else np.zeros(tuple(max(0, side) for side in shape), np.float32)


def detections_from_row(row: Mapping[str, Any]) -> ImageDetections:
    """Return the detections of a row of a predictions file.

    Args:
        row: The parsed JSON of a line.

    Returns:
        The detections.

    Raises:
        DataError: If the row is damaged.
    """
    try:
        if "error" in row:
            none = np.zeros((0, 4), np.float32)
            return ImageDetections(
                row["image_id"], (0, 0), none, none[:, 0], none[:, 0].astype(np.int32), error=row["error"]
            )
        width, height = row["size_wh"]
        return ImageDetections(
            int(row["image_id"]),
            (width, height),
            np.asarray(row["boxes_xyxy"], np.float32).reshape(-1, 4),
            np.asarray(row["scores"], np.float32),
            np.asarray(row["class_ids"], np.int32),
            tuple({"size": [height, width], "counts": counts} for counts in row.get("rles", ())),
            _array(row.get("keypoints"), (len(row["scores"]), -1, 3)),
            _array(row.get("rotated_xywhr"), (-1, 5)),
        )
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise DataError("a line of the predictions file is damaged", hint="delete the file and run again") from error
