"""Pure array functions: images, boxes, masks, integer arithmetic; numpy and cv2 only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.ops.boxes import box_iou, xywh_to_xyxy, xyxy_to_ltwh
    from edgekit.ops.image import IMAGE_SUFFIXES, read_image
    from edgekit.ops.letterbox import Letterbox, letterbox_image, letterbox_of
    from edgekit.ops.nv12 import letterbox_nv12, nv12_to_bgr
    from edgekit.ops.rle import decode_rle, encode_rle
    from edgekit.ops.rotated import rotated_corners, rotated_iou, rotated_nms
    from edgekit.ops.yuv import bgr_to_nv12, bgr_to_yuv444

__all__ = [
    "IMAGE_SUFFIXES",
    "Letterbox",
    "bgr_to_nv12",
    "bgr_to_yuv444",
    "box_iou",
    "decode_rle",
    "encode_rle",
    "letterbox_image",
    "letterbox_nv12",
    "letterbox_of",
    "nv12_to_bgr",
    "read_image",
    "rotated_corners",
    "rotated_iou",
    "rotated_nms",
    "xywh_to_xyxy",
    "xyxy_to_ltwh",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "IMAGE_SUFFIXES": "edgekit.ops.image",
        "Letterbox": "edgekit.ops.letterbox",
        "bgr_to_nv12": "edgekit.ops.yuv",
        "bgr_to_yuv444": "edgekit.ops.yuv",
        "box_iou": "edgekit.ops.boxes",
        "decode_rle": "edgekit.ops.rle",
        "encode_rle": "edgekit.ops.rle",
        "letterbox_image": "edgekit.ops.letterbox",
        "letterbox_nv12": "edgekit.ops.nv12",
        "letterbox_of": "edgekit.ops.letterbox",
        "nv12_to_bgr": "edgekit.ops.nv12",
        "read_image": "edgekit.ops.image",
        "rotated_corners": "edgekit.ops.rotated",
        "rotated_iou": "edgekit.ops.rotated",
        "rotated_nms": "edgekit.ops.rotated",
        "xywh_to_xyxy": "edgekit.ops.boxes",
        "xyxy_to_ltwh": "edgekit.ops.boxes",
    },
)
