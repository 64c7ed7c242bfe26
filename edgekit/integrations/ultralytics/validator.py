"""Ultralytics' validators over a session: their data, matching and metrics, our preprocessing and decoding."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ultralytics.models.yolo.classify import ClassificationValidator
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.models.yolo.obb import OBBValidator
from ultralytics.models.yolo.pose import PoseValidator
from ultralytics.models.yolo.segment import SegmentationValidator
from ultralytics.utils.ops import process_mask_native

from edgekit.integrations.ultralytics.module import ResultsBatch, SessionModule
from edgekit.integrations.ultralytics.predictor import decode_options
from edgekit.results import Classifications, Detections, Poses, RotatedDetections, Segmentations

__all__ = ["VALIDATORS"]

Tensors = dict[str, torch.Tensor]


class _SessionValidation:
    """What all tasks share: the session's thresholds are those of the call, images are padded to the model's input."""

    args: Any

    def __call__(self, trainer: Any = None, model: SessionModule | None = None, **kwargs: Any) -> Any:
        """Score a model, as Ultralytics' validators do."""
        assert model is not None
        self.args.rect = False  # a compiled model has one input size
        self.args.mask_ratio = 1  # masks are compared in pixels of the padded image, ours are placed there exactly
        module = model.with_options(decode_options(self.args, multi_label=True))
        return super().__call__(trainer, module, **kwargs)  # type: ignore[misc]

    def postprocess(self, preds: ResultsBatch) -> list[Tensors]:
        """Return boxes, scores and classes per image, and what the task adds, in pixels of the padded images."""
        return [tensors_of(results) for results in preds.results]


class _Detect(_SessionValidation, DetectionValidator):
    """Boxes."""


class _Segment(_SessionValidation, SegmentationValidator):
    """Boxes and masks."""

    def init_metrics(self, model: Any) -> None:
        """Prepare the metrics with labelled masks in pixels of the padded image, which is where ours are."""
        super().init_metrics(model)
        self.process = process_mask_native


class _Pose(_SessionValidation, PoseValidator):
    """Boxes and key points."""


class _Rotated(_SessionValidation, OBBValidator):
    """Rotated boxes."""


class _Classify(_SessionValidation, ClassificationValidator):
    """Classes of whole images."""

    def postprocess(self, preds: ResultsBatch) -> torch.Tensor:  # type: ignore[override]
        """Return probabilities (b, c)."""
        probabilities = [r.probabilities for r in preds.results if isinstance(r, Classifications)]
        return torch.as_tensor(np.stack(probabilities))


VALIDATORS: dict[str, type] = {
    "detect": _Detect,
    "segment": _Segment,
    "pose": _Pose,
    "obb": _Rotated,
    "classify": _Classify,
}


def tensors_of(results: Any) -> Tensors:
    """Return the tensors that Ultralytics' validators take of an image."""
    assert isinstance(results, Detections)
    count = len(results)
    tensors = {
        "bboxes": torch.as_tensor(results.boxes_xyxy),
        "conf": torch.as_tensor(results.scores),
        "cls": torch.as_tensor(results.class_ids.astype(np.float32)),
        "extra": torch.zeros((count, 0)),
    }
    if isinstance(results, RotatedDetections):
        tensors["bboxes"] = torch.as_tensor(results.boxes_xywhr)
    if isinstance(results, Poses):
        tensors["keypoints"] = torch.as_tensor(results.keypoints())
    if isinstance(results, Segmentations):
        width, height = results.size_wh
        masks = np.asarray(results.masks, np.uint8) if count else np.zeros((0, height, width), np.uint8)
        tensors["masks"] = torch.as_tensor(masks)
    return tensors
