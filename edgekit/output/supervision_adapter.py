"""Results as the types of the `supervision` library, where that is installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.errors import DeviceError
from edgekit.results import Classifications, Poses, Results, RotatedDetections, Segmentations


def to_supervision(results: Results) -> Any:
    """`supervision.Detections`, or `supervision.Classifications` of a classifier.

    Masks come as (n, height, width) booleans; rotated corners as data["xyxyxyxy"] (n, 4, 2), where
    supervision's oriented-box annotator looks for them; key points as data["keypoints_xy"] and
    data["keypoints_visibility"]. Raises DeviceError where supervision is not installed.
    """
    try:
        import supervision
    except ImportError as error:
        raise DeviceError(
            "supervision is not installed, expected it for to_supervision()", hint="pip install supervision"
        ) from error
    if isinstance(results, Classifications):
        order = np.argsort(-results.probabilities, kind="stable")
        return supervision.Classifications(class_id=order, confidence=results.probabilities[order])
    data: dict[str, Any] = {"class_name": np.array(results.labels, dtype=str)}
    if isinstance(results, RotatedDetections):
        data["xyxyxyxy"] = results.corners_xy
    if isinstance(results, Poses):
        data |= {"keypoints_xy": results.keypoints_xy, "keypoints_visibility": results.visibility}
    return supervision.Detections(
        xyxy=results.boxes_xyxy,
        mask=np.asarray(results.masks) if isinstance(results, Segmentations) and len(results) else None,
        confidence=results.scores,
        class_id=results.class_ids.astype(int),
        tracker_id=None if results.track_ids is None else results.track_ids.astype(int),
        data=data,
    )
