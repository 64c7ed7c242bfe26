"""Results as the text labels that training tools read: YOLO and DOTA, a line per object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatch

import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError
from edgekit.files import write_text
from edgekit.output.folder import RunFolder
from edgekit.output.names import OutputNames
from edgekit.results import (
    Classifications,
    DepthMap,
    Detections,
    Poses,
    Results,
    RotatedDetections,
    Segmentations,
    SemanticMap,
)

MIN_VISIBILITY = 0.5  # a point below it is none in a label
LABELS_FOLDER = "labels"


def yolo_txt(results: Results) -> str:
    """Return Ultralytics' label lines, coordinates in 0..1 of the image, as training and `edgekit eval` read them.

    detect `class x y w h`, segment `class x1 y1 x2 y2 ...` (the largest outline), pose the box and then
    `x y visibility` per point (2 visible, 0 not, at 0 0 then), obb `class` and four corners, clipped to the image;
    classify `score class name`, since a whole image's label is its folder.

    Args:
        results: Of one image.

    Returns:
        A line per object.
    """
    return _yolo_lines(results, scores=False)


def yolo_scores_txt(results: Results) -> str:
    """Return the lines of `yolo_txt` with the score at the end, as Ultralytics' `save_conf` does.

    Args:
        results: Of one image.

    Returns:
        A line per object; the visibility of key points in 0..1.
    """
    return _yolo_lines(results, scores=True)


def dota_txt(results: Results) -> str:
    """Return DOTA's lines: four corners in pixels, class name (blanks as -), difficulty 0.

    Args:
        results: Of one image.

    Returns:
        A line per object.

    Raises:
        ConfigError: The results have no rotated boxes.
    """
    if not isinstance(results, RotatedDetections):
        raise ConfigError(
            "DOTA labels are for rotated boxes, and these results have none", hint="use --labels yolo, or an obb model"
        )
    lines = []
    for corners, label in zip(results.corners_xy, results.labels, strict=True):
        numbers = " ".join(f"{v:.1f}" for v in corners.reshape(-1))
        lines.append(f"{numbers} {'-'.join(label.split())} 0\n")
    return "".join(lines)


LABEL_WRITERS: dict[str, Callable[[Results], str]] = {
    "yolo": yolo_txt,
    "yolo-scores": yolo_scores_txt,
    "dota": dota_txt,
}


def label_sink(folder: RunFolder, names: OutputNames, kind: str) -> Callable[[str, Results], None]:
    """Return a function that writes each frame's labels to labels/<its name>.txt.

    Args:
        folder: Of the run.
        names: The files of the frames.
        kind: One of `LABEL_WRITERS`.
    """
    write_labels = LABEL_WRITERS[kind]

    def write(name: str, results: Results) -> None:
        write_text(folder.take(f"{LABELS_FOLDER}/{names.label(name)}"), write_labels(results))

    return write


def _yolo_lines(results: Results, *, scores: bool) -> str:
    if isinstance(results, SemanticMap | DepthMap):
        raise ConfigError("a map has no label lines", hint="leave --labels out; --maps png writes what training reads")
    if isinstance(results, Classifications):
        return "".join(f"{p:.4f} {results.names[i]}\n" for i, p in results.top())
    if not isinstance(results, Detections):
        raise ConfigError("a raw model's arrays have no label lines", hint="leave --labels out; they are in raw/*.npz")
    lines = []
    for index in range(len(results)):
        values = yolo_values(results, index)
        if not values:
            continue
        if not scores:
            values = _as_labels(values, has_points=isinstance(results, Poses))
        numbers = " ".join(f"{v:.6f}" for v in values)
        score = f" {results.scores[index]:.6f}" if scores else ""
        lines.append(f"{results.class_ids[index]} {numbers}{score}\n")
    return "".join(lines)


def _as_labels(values: Sequence[float], *, has_points: bool) -> list[float]:
    """Return values that a label file may hold: coordinates in 0..1, points either visible (2) or not (0)."""
    if not has_points:
        return [min(max(value, 0.0), 1.0) for value in values]
    points = [tuple(values[i : i + 3]) for i in range(4, len(values), 3)]
    visible = [v >= MIN_VISIBILITY and 0 <= x <= 1 and 0 <= y <= 1 for x, y, v in points]
    marked = [(x, y, 2.0) if shown else (0.0, 0.0, 0.0) for (x, y, _), shown in zip(points, visible, strict=True)]
    return [*_as_labels(values[:4], has_points=False), *(value for point in marked for value in point)]


@singledispatch
def yolo_values(results: Detections, index: int) -> list[float]:
    """Return the numbers of one object's label line, coordinates in 0..1 of the image; none if it has no line."""
    width, height = results.size_wh
    x1, y1, x2, y2 = (float(v) for v in results.boxes_xyxy[index])
    return [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]


@yolo_values.register
def _(results: Segmentations, index: int) -> list[float]:
    """Return the outline with the largest area; a mask of so few pixels that it has none gives the box around them."""
    outlines = [np.asarray(p, np.float64).reshape(-1, 2) for p in results.masks.polygons(index)]
    outlines = outlines or _pixel_box(*results.masks.cropped(index))
    if not outlines:
        return []
    return [float(v) for v in (max(outlines, key=_area) / results.size_wh).reshape(-1)]


@yolo_values.register
def _(results: Poses, index: int) -> list[float]:
    points = results.keypoints()[index] / np.asarray((*results.size_wh, 1))
    return yolo_values.dispatch(Detections)(results, index) + [float(v) for v in points.reshape(-1)]


@yolo_values.register
def _(results: RotatedDetections, index: int) -> list[float]:
    return [float(v) for v in (results.corners_xy[index] / np.asarray(results.size_wh)).reshape(-1)]


def _pixel_box(mask: npt.NDArray[np.bool_], corner_xy: tuple[int, int]) -> list[npt.NDArray[np.float64]]:
    """Return the box around the set pixels of `mask` (h, w), which lies at `corner_xy`, as one outline, if any is."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return []
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return [np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64) + corner_xy]


def _area(outline: npt.NDArray[np.float64]) -> float:
    """Return the area of an outline (n, 2) by the shoelace formula."""
    x, y = outline.T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2
