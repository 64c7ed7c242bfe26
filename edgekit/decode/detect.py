"""Boxes and classes: the detect task."""

from __future__ import annotations

from edgekit.decode.heads import RawHeads, bind_roles
from edgekit.decode.options import DecodeOptions
from edgekit.decode.postprocess import find_objects
from edgekit.ops.letterbox import Letterbox
from edgekit.results import Detections
from edgekit.spec import ModelSpec


def decode_detect(
    heads: RawHeads, spec: ModelSpec, letterbox: Letterbox, options: DecodeOptions, *, device: str
) -> Detections:
    """Raw heads of one image to its detections in original pixels."""
    found = find_objects(bind_roles(heads, spec), spec, options)
    return Detections(
        letterbox.undo_boxes(found.boxes_xyxy), found.scores, found.class_ids, spec.names, letterbox.source_wh, device
    )
