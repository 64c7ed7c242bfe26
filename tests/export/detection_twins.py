"""Detections of two exports of one network on the same images, matched by overlap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

import edgekit
from edgekit.export import cut_file
from edgekit.ops.boxes import box_iou
from edgekit.results import Detections


def detect(model: onnx.ModelProto, images: Sequence[Path], folder: Path, *, conf: float = 0.25) -> list[Detections]:
    """What the cut of `model` shows on each image."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / "model.onnx"))
    cut_file(folder / "model.onnx", folder / "heads.onnx")
    found = []
    with edgekit.load(folder / "heads.onnx", conf=conf) as session:
        for path in images:
            results = session.predict(edgekit.read_image(path))
            assert isinstance(results, Detections)
            found.append(results)
    return found


def lowest_overlap(plain: Sequence[Detections], twin: Sequence[Detections]) -> float:
    """The lowest IoU of a detection with its best match of the same class; 0 where the numbers differ."""
    lowest = 1.0
    for expected, actual in zip(plain, twin, strict=True):
        if len(expected) != len(actual):
            return 0.0
        if len(expected):
            overlaps = box_iou(expected.boxes_xyxy, actual.boxes_xyxy)
            overlaps[expected.class_ids[:, None] != actual.class_ids[None]] = 0
            lowest = min(lowest, float(overlaps.max(axis=1).min()))
    return lowest


def count(found: Sequence[Detections]) -> int:
    """The number of detections on all images."""
    return int(np.sum([len(results) for results in found]))
