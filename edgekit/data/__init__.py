"""Images and labels: one reader of each kind for every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.data.coco import CocoImage, coco_images
    from edgekit.data.image_loader import map_images
    from edgekit.data.image_source import ImageSource, open_source

__all__ = ["CocoImage", "ImageSource", "coco_images", "map_images", "open_source"]

__getattr__ = lazy_exports(
    __name__,
    {
        "CocoImage": "edgekit.data.coco",
        "ImageSource": "edgekit.data.image_source",
        "coco_images": "edgekit.data.coco",
        "map_images": "edgekit.data.image_loader",
        "open_source": "edgekit.data.image_source",
    },
)
