"""Boxes, classes and instance masks from prototypes: the segment task (YOLACT's mask assembly)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.decode.candidates import Candidates, gather_rows
from edgekit.decode.families import formulas
from edgekit.decode.heads import BoundHeads, RawHeads, bind_roles
from edgekit.decode.options import DecodeOptions
from edgekit.decode.postprocess import find_objects
from edgekit.decode.yolov5 import gather_masks
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.masks import instance_masks
from edgekit.results import Segmentations
from edgekit.spec import ModelSpec


def decode_segment(
    heads: RawHeads, spec: ModelSpec, letterbox: Letterbox, options: DecodeOptions, *, device: str
) -> Segmentations:
    """Raw heads of one image to its instances in original pixels; coefficients are read for survivors only."""
    bound = bind_roles(heads, spec)
    found = find_objects(bound, spec, options)
    proto = bound.of("proto")
    coefficients = mask_coefficients(found, bound, spec)
    if proto.head.scale:  # the scale goes with the coefficients, so that no prototype is read outside the windows
        coefficients = coefficients * proto.scale()
    boxes = letterbox.undo_boxes(found.boxes_xyxy)
    masks = instance_masks(coefficients, proto.raw.reshape(proto.head.shape[1:]), found.boxes_xyxy, boxes, letterbox)
    return Segmentations(boxes, found.scores, found.class_ids, spec.names, letterbox.source_wh, device, masks)


def mask_coefficients(found: Candidates, bound: BoundHeads, spec: ModelSpec) -> npt.NDArray[np.float32]:
    """Coefficients (n, prototypes) of the objects, read at their own cells."""
    if formulas(spec.family).anchors:
        return gather_masks(found, bound, spec)
    return gather_rows(found, bound, "mask", bound.of("proto").head.channels)
