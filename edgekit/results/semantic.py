"""The class of every pixel: the results of semantic segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError, ModelError
from edgekit.labels import class_color_bgr
from edgekit.ops.draw import MASK_OPACITY, draw_text
from edgekit.ops.label_runs import class_rles
from edgekit.ops.rle import mask_polygons
from edgekit.results.frame import Image, check_shape, finish_drawing, heading, import_library, start_drawing

__all__ = ["SemanticMap"]

MAX_LEGEND = 8  # names on the image, of the largest areas
MIN_LEGEND_SHARE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class SemanticMap:
    """The class of every pixel of an image.

    >>> road = results.class_map == results.names.index("road")

    Attributes:
        class_map: (height, width) uint8, or uint16 for more than 256 classes: ids into `names`.
        names: The model's classes.
        size_wh: The image's width and height.
        device: What computed it: "bpu", "sim", "onnxruntime", ...
    """

    class_map: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    names: tuple[str, ...]
    size_wh: tuple[int, int]
    device: str

    def __post_init__(self) -> None:
        check_shape("class_map", self.class_map, (self.size_wh[1], self.size_wh[0]))
        largest = int(self.class_map.max(initial=0))
        if largest >= len(self.names):
            raise ModelError(
                f"class_map holds the class {largest}, expected 0..{len(self.names) - 1}",
                hint="the sidecar's names do not fit the model; fix them or run edgekit cut again",
            )

    def __len__(self) -> int:
        return 1  # one map of one image

    def areas(self) -> list[tuple[int, int]]:
        """Return (class id, pixels) of every class that occurs, the largest first."""
        counts = np.bincount(self.class_map.reshape(-1), minlength=len(self.names))
        order = np.argsort(-counts, kind="stable")
        return [(int(i), int(counts[i])) for i in order if counts[i]]

    def to_dict(self, *, masks: str = "rle") -> dict[str, Any]:
        """Return plain JSON values: of every class its pixels, its share and, by `masks`, its run lengths or outlines.

        Args:
            masks: One of `MASK_FORMATS`.
        """
        rles = class_rles(self.class_map) if masks == "rle" else {}
        pixels = self.class_map.size
        rows = []
        for class_id, count in self.areas():
            row = {
                "class_id": class_id,
                "name": self.names[class_id],
                "pixels": count,
                "share": round(count / pixels, 6),
            }
            if masks == "rle":
                row["segmentation"] = rles[class_id]
            elif masks == "polygons":
                row["segmentation"] = mask_polygons(self.class_map == class_id)
            rows.append(row)
        return {**heading(self.device, self.size_wh), "classes": rows}

    def to_coco(self, image_id: int | str, *, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Raise ConfigError: a class map holds no objects, which COCO's rows are of."""
        raise ConfigError("a class map is no COCO rows, which are of objects", hint="use its JSON, or --maps png")

    def to_supervision(self) -> Any:
        """Return `supervision.Detections` with one mask per class; raises DeviceError if it is not installed."""
        ids = np.asarray(sorted(class_id for class_id, _ in self.areas()))
        masks = self.class_map[None] == ids[:, None, None]
        boxes = np.asarray([_bounds_xyxy(mask) for mask in masks], np.float32).reshape(-1, 4)
        names = np.array([self.names[i] for i in ids], dtype=str)
        return import_library("supervision").Detections(
            xyxy=boxes, mask=masks, class_id=ids.astype(int), data={"class_name": names}
        )

    def to_ultralytics(self, bgr: Image, *, path: str = "") -> Any:
        """Raise ConfigError: use `class_map`, which is what that library's maps hold.

        Args:
            bgr: (h, w, 3) uint8, the image.
            path: Where it came from.
        """
        raise ConfigError("a class map has no conversion to Ultralytics' results", hint="use results.class_map")

    def draw(self, bgr: Image) -> Image:
        """Return a copy of the image (h, w, 3) uint8 BGR, tinted by class, with the names of the largest areas."""
        image = start_drawing(bgr, self.size_wh)
        tint = color_classes(self.class_map, len(self.names))
        cv2.addWeighted(image, 1 - MASK_OPACITY, tint, MASK_OPACITY, 0, dst=image)
        height = 0
        named = [(i, count) for i, count in self.areas() if count >= MIN_LEGEND_SHARE * self.class_map.size]
        for line, (class_id, count) in enumerate(named[:MAX_LEGEND], start=1):
            text = f"{self.names[class_id]} {100 * count / self.class_map.size:.0f}%"
            height = draw_text(image, text, (0, line * height), class_color_bgr(class_id))
        return finish_drawing(image, self.device)


def color_classes(class_map: npt.NDArray[Any], num_classes: int) -> Image:
    """Paint every class in its color of the palette.

    Args:
        class_map: (h, w) of class ids.
        num_classes: Their number.

    Returns:
        (h, w, 3) uint8 BGR.
    """
    palette = np.array([class_color_bgr(i) for i in range(num_classes)], np.uint8)
    return palette[class_map]


def _bounds_xyxy(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
