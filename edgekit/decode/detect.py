"""Boxes and classes: the detect task."""

from __future__ import annotations

from edgekit.decode.candidates import find_candidates, suppress
from edgekit.decode.heads import RawHeads
from edgekit.decode.options import DecodeOptions
from edgekit.ops.letterbox import Letterbox
from edgekit.results import Detections
from edgekit.spec import ModelSpec


def decode_detect(
    heads: RawHeads, spec: ModelSpec, letterbox: Letterbox, options: DecodeOptions, *, device: str
) -> Detections:
    """Raw heads of one picture to its detections in original pixels."""
    found = find_candidates(heads, spec, score_threshold=options.score_threshold, multi_label=options.multi_label)
    found = suppress(found, iou_threshold=options.iou_threshold, max_detections=options.max_detections)
    return Detections(
        letterbox.undo_boxes(found.boxes_xyxy), found.scores, found.class_ids, spec.names, letterbox.source_wh, device
    )
