"""Boxes, classes and instance masks from prototypes: the segment task (YOLACT's mask assembly)."""

from __future__ import annotations

from edgekit.decode.candidates import find_candidates, gather_rows, suppress
from edgekit.decode.heads import RawHeads, bind_roles
from edgekit.decode.options import DecodeOptions
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.masks import instance_masks
from edgekit.results import Segmentations
from edgekit.spec import ModelSpec


def decode_segment(
    heads: RawHeads, spec: ModelSpec, letterbox: Letterbox, options: DecodeOptions, *, device: str
) -> Segmentations:
    """Raw heads of one picture to its instances in original pixels; coefficients are read for survivors only."""
    bound = bind_roles(heads, spec)
    found = find_candidates(bound, spec, score_threshold=options.score_threshold, multi_label=options.multi_label)
    found = suppress(found, iou_threshold=options.iou_threshold, max_detections=options.max_detections)
    proto = bound.of("proto")
    mask_heads = {stride: bound.of("mask", stride) for stride in bound.strides}
    coefficients = gather_rows(found, mask_heads, proto.head.channels)
    if proto.head.scale:  # the scale goes with the coefficients, so that no prototype is read outside the windows
        coefficients = coefficients * proto.scale()
    boxes = letterbox.undo_boxes(found.boxes_xyxy)
    masks = instance_masks(coefficients, proto.raw.reshape(proto.head.shape[1:]), found.boxes_xyxy, boxes, letterbox)
    return Segmentations(boxes, found.scores, found.class_ids, spec.names, letterbox.source_wh, device, masks)
