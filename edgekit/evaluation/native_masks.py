"""Instance masks as Ultralytics' `process_mask_native` places them: for comparison with scores made that way.

It cuts the padding off the prototypes in whole cells and stretches what is left over the image. Where the padding is
no multiple of a cell (4 pixels), masks move by up to a cell: on the 129 images of COCO that edgekit is measured with,
half a point of mask mAP is lost. edgekit's own masks (`ops/masks.py`) are placed exactly.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.decode.segment import mask_parts
from edgekit.errors import ConfigError
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.masks import instance_masks
from edgekit.results import Results, Segmentations
from edgekit.runtime.session import Session

Floats = npt.NDArray[np.float32]
MASKS = ("edgekit", "ultralytics")


def require_masks(session: Session, masks: str) -> None:
    """Check that a model has masks to place.

    Args:
        session: The opened model.
        masks: "edgekit" or "ultralytics".

    Raises:
        ConfigError: If `masks` is neither, or the model has no masks.
    """
    if masks not in MASKS:
        raise ConfigError(f"masks is {masks!r}, expected one of {', '.join(MASKS)}", hint="edgekit is the default")
    if masks != "edgekit" and session.spec.task != "segment":
        raise ConfigError(
            f"masks is {masks!r}, but the model does {session.spec.task!r}, expected 'segment'",
            hint="remove --masks: only segmentation models have masks",
        )


def predict_native(session: Session, image_bgr: npt.NDArray[np.uint8]) -> Results:
    """Predict an image as `session.predict` does, with masks placed in whole cells.

    Args:
        session: A segmentation model.
        image_bgr: (h, w, 3) uint8.

    Returns:
        The results.
    """
    spec = session.spec
    inputs, letterbox = session.prepare(image_bgr)
    raw, plan = session.infer(inputs), session.decoder.plan
    plan.outputs.check(raw)
    objects = plan.objects(raw)
    coefficients, proto = mask_parts(plan, raw, objects)
    boxes = letterbox.undo_boxes(objects.boxes_xyxy)
    cells, stretch = whole_cells(proto, letterbox)
    masks = instance_masks(coefficients, cells, stretch.apply_boxes(boxes), boxes, stretch)
    kind = session.device.kind
    return Segmentations(boxes, objects.scores, objects.class_ids, spec.names, letterbox.source_wh, kind, masks)


def whole_cells(proto: npt.NDArray[Any], letterbox: Letterbox) -> tuple[npt.NDArray[Any], Letterbox]:
    """Return prototypes without the cells that are padding, and the letterbox in which the image fills them.

    The gain and both cuts are truncated as `scale_masks` of Ultralytics does.

    Args:
        proto: (h, w, k).
        letterbox: Of the image.

    Returns:
        The cells and their letterbox.
    """
    (height, width), (source_w, source_h) = proto.shape[:2], letterbox.source_wh
    gain = min(height / source_h, width / source_w)
    pad_x, pad_y = (width - source_w * gain) / 2, (height - source_h * gain) / 2
    left, top = int(pad_x), int(pad_y)
    right, bottom = max(left + 1, int(width - pad_x)), max(top + 1, int(height - pad_y))
    cells = proto[top:bottom, left:right]
    size_wh = cells.shape[1], cells.shape[0]
    return cells, Letterbox(letterbox.source_wh, size_wh, size_wh, 0, 0)


def native_masks_reference(
    coefficients: Floats, proto: Floats, image_boxes_xyxy: Floats, letterbox: Letterbox
) -> npt.NDArray[np.bool_]:
    """Return the same masks (n, height, width) the plain way, as an oracle: every logit, cut, resized, cropped."""
    width, height = letterbox.source_wh
    cells, _ = whole_cells(np.einsum("nk,hwk->hwn", coefficients, proto), letterbox)
    planes = [cv2.resize(np.ascontiguousarray(cells[..., i]), (width, height)) for i in range(len(coefficients))]
    left, top, right, bottom = (image_boxes_xyxy[:, i, None] for i in range(4))
    rows, columns = np.arange(height), np.arange(width)
    inside = ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]
    return np.asarray(np.reshape(planes, inside.shape) > 0) & inside
