"""Boxes, classes and instance masks from prototypes: the segment task (YOLACT's mask assembly)."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from edgekit.decode.candidates import Candidates
from edgekit.decode.heads import Floats, RawHeads
from edgekit.decode.plan import Plan
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.masks import instance_masks
from edgekit.results import Segmentations


def decode_segment(plan: Plan, raw: RawHeads, letterbox: Letterbox) -> Segmentations:
    """Decode one frame; coefficients are read for survivors only."""
    objects = plan.objects(raw)
    coefficients, proto = mask_parts(plan, raw, objects)
    boxes = letterbox.undo_boxes(objects.boxes_xyxy)
    masks = instance_masks(coefficients, proto, objects.boxes_xyxy, boxes, letterbox)
    return Segmentations(
        boxes, objects.scores, objects.class_ids, plan.spec.names, letterbox.source_wh, plan.device, masks
    )


def mask_parts(plan: Plan, raw: RawHeads, objects: Candidates) -> tuple[Floats, npt.NDArray[Any]]:
    """Read what the masks of a frame's objects are made of: a mask's logits are coefficients . prototypes.

    Args:
        plan: The model.
        raw: The device's outputs.
        objects: Those that get a mask.

    Returns:
        Coefficients (n, k) float32, and the prototypes (h, w, k) in the device's numbers: their scale is in the
        coefficients, so that no prototype is dequantized outside the objects' windows.
    """
    proto = plan.outputs.get("proto")
    coefficients = plan.heads.extra_rows(raw, objects)
    if proto.spec.scale:
        coefficients = coefficients * proto.scale
    return coefficients, raw[proto.spec.name].reshape(proto.spec.shape[1:])
