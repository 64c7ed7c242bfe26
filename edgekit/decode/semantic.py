"""The class of every pixel: the semantic task."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.heads import Head, RawHeads
from edgekit.decode.plan import Plan
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.pixel_grid import expand_cells, interpolated_classes
from edgekit.results import SemanticMap

BYTE_CLASSES = 256


def decode_semantic(plan: Plan, raw: RawHeads, letterbox: Letterbox) -> SemanticMap:
    """Decode one frame; thresholds do not apply.

    The largest logit of a cell is chosen among the device's own integers where one scale serves all classes. Pixels
    take the class of their cell; with `full_size` the logits are interpolated first, along the borders of classes.
    """
    head = plan.outputs.get("class")
    class_ids = cell_classes(head, raw)
    if plan.options.full_size:
        logits = head.floats(raw).reshape(*head.grid_hw, head.spec.channels)
        pixels = interpolated_classes(logits, class_ids, letterbox)
    else:
        pixels = expand_cells(class_ids, letterbox)
    return SemanticMap(pixels, plan.spec.names, letterbox.source_wh, plan.device)


def cell_classes(head: Head, raw: RawHeads) -> npt.NDArray[Any]:
    """Choose the class of every cell.

    Args:
        head: The class head.
        raw: The device's outputs.

    Returns:
        (rows, columns) uint8, or uint16 for more than 256 classes.
    """
    comparable = np.ptp(head.scale) == 0 if len(head.scale) else True
    logits = head.rows(raw) if comparable else head.floats(raw)
    dtype = np.uint8 if head.spec.channels <= BYTE_CLASSES else np.uint16
    return logits.argmax(axis=1).astype(dtype).reshape(head.grid_hw)
