"""The objects of a frame: candidates of the family's kind of head, and of them the best that do not overlap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgekit.decode.candidates import Candidates, find_candidates, suppress
from edgekit.decode.families import formulas
from edgekit.decode.heads import BoundHeads
from edgekit.decode.options import DecodeOptions
from edgekit.decode.yolov5 import find_anchored
from edgekit.spec import ModelSpec

FINDERS: dict[bool, Callable[..., Candidates]] = {False: find_candidates, True: find_anchored}  # by: has anchors


def find_objects(bound: BoundHeads, spec: ModelSpec, options: DecodeOptions) -> Candidates:
    """Gated, decoded and suppressed candidates of upright boxes, best first.

    End-to-end heads need no suppression: their best (cell, class) pairs are the objects.
    """
    find = FINDERS[formulas(spec.family).anchors]
    multi_label = options.multi_label or spec.end_to_end
    found = find(bound, spec, score_threshold=options.score_threshold, multi_label=multi_label)
    if spec.end_to_end:
        return best_candidates(found, options.max_detections)
    return suppress(found, iou_threshold=options.iou_threshold, max_detections=options.max_detections)


def best_candidates(found: Candidates, count: int) -> Candidates:
    """The `count` best, in order of their scores; equal scores keep theirs."""
    return found.take(np.argsort(-found.scores, kind="stable")[:count])
