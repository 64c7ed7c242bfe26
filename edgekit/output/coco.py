"""Results as rows of a COCO results file, the format that pycocotools scores."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ConfigError
from edgekit.files import UNENCODABLE, atomic_path
from edgekit.labels import COCO_CATEGORY_IDS
from edgekit.ops.boxes import xyxy_to_ltwh
from edgekit.output.names import OutputNames
from edgekit.results import Classifications, Poses, Results, RotatedDetections, Segmentations


def coco_rows(
    results: Results, *, image_id: int | str, category_ids: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """One row per object: image_id, category_id, bbox (left, top, width, height), score, and what the task adds.

    That is `segmentation` as RLE, `keypoints` (x, y, visibility flattened), or `rbox` (x, y, w, h, radians).
    category_ids: the annotation file's id per class; by default COCO's own for 80 classes, else class id + 1.
    Raises ConfigError for a classifier's results, which COCO has no rows for.
    """
    if isinstance(results, Classifications):
        raise ConfigError("a classifier's results are no COCO rows", hint="use its JSON instead")
    ids = category_ids or default_category_ids(len(results.names))
    rows = []
    for index, box in enumerate(xyxy_to_ltwh(results.boxes_xyxy)):
        row: dict[str, Any] = {
            "image_id": image_id,
            "category_id": int(ids[results.class_ids[index]]),
            "bbox": [round(float(v), 3) for v in box],
            "score": round(float(results.scores[index]), 6),
        }
        rows.append(row | _task_values(results, index))
    return rows


def default_category_ids(num_classes: int) -> tuple[int, ...]:
    """COCO's ids for its 80 classes; 1, 2, 3, ... for any other number."""
    return COCO_CATEGORY_IDS if num_classes == len(COCO_CATEGORY_IDS) else tuple(range(1, num_classes + 1))


def _task_values(results: Results, index: int) -> dict[str, Any]:
    if isinstance(results, Segmentations):
        return {"segmentation": results.masks.rle(index)}
    if isinstance(results, Poses):
        points = np.concatenate([results.keypoints_xy[index], results.visibility[index][:, None]], axis=1)
        return {"keypoints": [round(float(v), 3) for v in points.reshape(-1)]}
    if isinstance(results, RotatedDetections):
        return {"rbox": [round(float(v), 4) for v in results.boxes_xywhr[index]]}
    return {}


@contextlib.contextmanager
def coco_sink(path: Path, names: OutputNames) -> Iterator[Callable[[str, Results], None]]:
    """A function that appends each image's rows to a COCO results file, which appears when it is complete.

    Each row also has the image's `file_name`, relative to the source. The image id is the number that the name
    consists of, as COCO's do, else the name without suffix; images never share one (see `output_names`).
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors=UNENCODABLE) as stream,
    ):
        stream.write("[")
        first = True

        def write(name: str, results: Results) -> None:
            nonlocal first
            for row in coco_rows(results, image_id=names.image_id(name)):
                line = json.dumps({"file_name": name, **row}, ensure_ascii=False)
                stream.write(("\n" if first else ",\n") + line)
                first = False

        yield write
        stream.write("\n]\n")
