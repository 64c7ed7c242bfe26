"""What a person gets: annotated images and videos, JSON, COCO results, labels, a live preview."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.output.coco import coco_sink
    from edgekit.output.labels_txt import dota_txt, yolo_scores_txt, yolo_txt
    from edgekit.output.preview import Preview
    from edgekit.output.writer import video_writer, write_image

__all__ = [
    "Preview",
    "coco_sink",
    "dota_txt",
    "video_writer",
    "write_image",
    "yolo_scores_txt",
    "yolo_txt",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Preview": "edgekit.output.preview",
        "coco_sink": "edgekit.output.coco",
        "dota_txt": "edgekit.output.labels_txt",
        "video_writer": "edgekit.output.writer",
        "write_image": "edgekit.output.writer",
        "yolo_scores_txt": "edgekit.output.labels_txt",
        "yolo_txt": "edgekit.output.labels_txt",
    },
)
