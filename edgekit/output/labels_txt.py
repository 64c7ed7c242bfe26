"""Results as the text labels that training tools read: YOLO and DOTA, a line per object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgekit.errors import ConfigError
from edgekit.files import write_text
from edgekit.results import Classifications, Poses, Results, RotatedDetections, Segmentations


def yolo_txt(results: Results) -> str:
    """Ultralytics' label lines, coordinates in 0..1 of the picture, with the score at the end.

    detect `class x y w h`, segment `class x1 y1 x2 y2 ...` (the largest outline), pose the box and then
    `x y visibility` per point, obb `class` and four corners; classify `score class name` as its predictions are
    saved.
    """
    if isinstance(results, Classifications):
        return "".join(f"{p:.4f} {results.names[i]}\n" for i, p in results.top())
    lines = []
    for index in range(len(results)):
        values = YOLO_VALUES.get(type(results), _box_values)(results, index)
        if values:
            numbers = " ".join(f"{v:.6f}" for v in values)
            lines.append(f"{results.class_ids[index]} {numbers} {results.scores[index]:.6f}\n")
    return "".join(lines)


def dota_txt(results: Results) -> str:
    """DOTA's lines: four corners in pixels, class name (blanks as -), difficulty 0; of rotated boxes alone."""
    if not isinstance(results, RotatedDetections):
        raise ConfigError(
            "DOTA labels are for rotated boxes, and these results have none", hint="use --labels yolo, or an obb model"
        )
    lines = []
    for corners, label in zip(results.corners_xy, results.labels, strict=True):
        numbers = " ".join(f"{v:.1f}" for v in corners.reshape(-1))
        lines.append(f"{numbers} {'-'.join(label.split())} 0\n")
    return "".join(lines)


LABEL_WRITERS: dict[str, Callable[[Results], str]] = {"yolo": yolo_txt, "dota": dota_txt}


def _box_values(results: Results, index: int) -> list[float]:
    assert not isinstance(results, Classifications)
    width, height = results.size_wh
    x1, y1, x2, y2 = (float(v) for v in results.boxes_xyxy[index])
    return [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]


def _mask_values(results: Results, index: int) -> list[float]:
    """The outline with the largest area; nothing where the mask is empty."""
    assert isinstance(results, Segmentations)
    outlines = [np.asarray(p, np.float64).reshape(-1, 2) for p in results.masks.polygons(index)]
    if not outlines:
        return []
    largest = max(outlines, key=_area)
    return [float(v) for v in (largest / results.size_wh).reshape(-1)]


def _pose_values(results: Results, index: int) -> list[float]:
    assert isinstance(results, Poses)
    points = np.concatenate(
        [results.keypoints_xy[index] / np.asarray(results.size_wh), results.visibility[index][:, None]], axis=1
    )
    return _box_values(results, index) + [float(v) for v in points.reshape(-1)]


def _corner_values(results: Results, index: int) -> list[float]:
    assert isinstance(results, RotatedDetections)
    return [float(v) for v in (results.corners_xy[index] / np.asarray(results.size_wh)).reshape(-1)]


def _area(outline: np.ndarray) -> float:
    """The shoelace formula."""
    x, y = outline.T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


YOLO_VALUES: dict[type, Callable[[Results, int], list[float]]] = {
    Segmentations: _mask_values,
    Poses: _pose_values,
    RotatedDetections: _corner_values,
}


def label_sink(folder: Path, kind: str) -> Callable[[str, Results], None]:
    """A function that writes each picture's labels to `folder`/<its name>.txt; `kind` is one of LABEL_WRITERS."""
    write_labels = LABEL_WRITERS[kind]

    def write(name: str, results: Results) -> None:
        write_text(folder / Path(name).with_suffix(".txt"), write_labels(results))

    return write
