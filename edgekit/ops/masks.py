"""Instance masks from prototypes: logits in each object's own window, full-size pixels only when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.ops.letterbox import Letterbox
from edgekit.ops.rle import encode_rle, mask_polygons

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
MARGIN = 2  # prototype cells around a box, so that interpolation at its border has true neighbours


@dataclass(frozen=True, slots=True)
class InstanceMasks:
    """The masks of n objects; `masks[i]` is a full-size boolean (height, width) of the original picture.

    Holds logits at prototype resolution: `windows[i]` (h, w) float32 with its top-left cell at
    `corners_xy[i]`. A pixel belongs to the object where the bilinearly interpolated logit is above 0
    (sigmoid above 0.5) and its index lies within the box [x1, x2) x [y1, y2), as Ultralytics crops.
    """

    windows: tuple[Floats, ...]
    corners_xy: npt.NDArray[np.int64]
    boxes_xyxy: Floats
    proto_wh: tuple[int, int]
    letterbox: Letterbox

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> Mask:
        width, height = self.letterbox.source_wh
        full = np.zeros((height, width), np.bool_)
        part, (x, y) = self.cropped(index)
        full[y : y + part.shape[0], x : x + part.shape[1]] = part
        return full

    def __iter__(self) -> Iterator[Mask]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[np.bool_]:
        width, height = self.letterbox.source_wh
        stacked = np.stack(list(self)) if len(self) else np.zeros((0, height, width), np.bool_)
        return stacked if dtype is None else np.asarray(stacked, dtype)

    def cropped(self, index: int) -> tuple[Mask, tuple[int, int]]:
        """The mask within its box alone, and the x, y of its top-left pixel in the original picture."""
        x1, y1, x2, y2 = (int(v) for v in np.ceil(self.boxes_xyxy[index]))
        if x2 <= x1 or y2 <= y1:
            return np.zeros((0, 0), np.bool_), (x1, y1)
        logits = cv2.warpAffine(
            self.windows[index],
            self._pixel_to_window(index, x1, y1),
            (x2 - x1, y2 - y1),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(logits > 0, np.bool_), (x1, y1)

    def rle(self, index: int) -> dict[str, list[int] | str]:
        """The full-size mask as COCO's compressed RLE."""
        return encode_rle(self[index])

    def polygons(self, index: int) -> list[list[float]]:
        """The outlines as [x1, y1, x2, y2, ...] in pixels of the original picture."""
        part, (x, y) = self.cropped(index)
        return [[v + (x, y)[k % 2] for k, v in enumerate(line)] for line in mask_polygons(part)]

    def take(self, index: npt.NDArray[np.intp]) -> InstanceMasks:
        """Those at `index`, in that order."""
        return InstanceMasks(
            tuple(self.windows[i] for i in index),
            self.corners_xy[index],
            self.boxes_xyxy[index],
            self.proto_wh,
            self.letterbox,
        )

    def _pixel_to_window(self, index: int, x1: int, y1: int) -> npt.NDArray[np.float64]:
        """The affine map from pixel indices of the crop to cell indices of the window.

        Both count centres: pixel u stands at u + 0.5 in the picture, at (u + 0.5) * scale + shift in the
        input, and at that times proto / input - 0.5 in cells.
        """
        shifts = (self.letterbox.left, self.letterbox.top)
        rows = []
        for axis, first in enumerate((x1, y1)):
            cells_per_pixel = self.proto_wh[axis] / self.letterbox.size_wh[axis]
            slope = self.letterbox.scale_xy[axis] * cells_per_pixel
            at_first = (first + 0.5) * slope + shifts[axis] * cells_per_pixel - 0.5 - self.corners_xy[index, axis]
            rows.append([slope, 0.0, at_first] if axis == 0 else [0.0, slope, at_first])
        return np.asarray(rows, np.float64)


def instance_masks(
    coefficients: Floats, proto: Floats, boxes_xyxy: Floats, image_boxes_xyxy: Floats, letterbox: Letterbox
) -> InstanceMasks:
    """Logits = coefficients (n, k) . proto (h, w, k), in the window of each box only.

    `boxes_xyxy` (n, 4) in input pixels choose the windows, `image_boxes_xyxy` (n, 4) in original pixels crop
    the masks. One matrix product covers the union of the windows.
    """
    proto_wh = (proto.shape[1], proto.shape[0])
    windows = box_windows(boxes_xyxy, proto_wh, letterbox.size_wh)
    parts: tuple[Floats, ...] = ()
    if len(windows):
        left, top = windows[:, :2].min(axis=0)
        right, bottom = windows[:, 2:].max(axis=0)
        region = proto[top:bottom, left:right]
        logits = (coefficients @ region.reshape(-1, proto.shape[2]).T).reshape(-1, *region.shape[:2])
        local = windows - (left, top, left, top)
        parts = tuple(
            np.ascontiguousarray(plane[y1:y2, x1:x2]) for plane, (x1, y1, x2, y2) in zip(logits, local, strict=True)
        )
    return InstanceMasks(parts, windows[:, :2], image_boxes_xyxy, proto_wh, letterbox)


def box_windows(boxes_xyxy: Floats, proto_wh: tuple[int, int], size_wh: tuple[int, int]) -> npt.NDArray[np.int64]:
    """The prototype cells [x1, x2) x [y1, y2) that each box (n, 4, input pixels) touches, MARGIN more around."""
    cells = boxes_xyxy.astype(np.float64) * np.tile(np.asarray(proto_wh) / np.asarray(size_wh), 2)
    low = np.clip(np.floor(cells[:, :2]) - MARGIN, 0, np.asarray(proto_wh) - 1)
    high = np.clip(np.ceil(cells[:, 2:]) + MARGIN, low + 1, proto_wh)
    return np.concatenate([low, high], axis=1).astype(np.int64)


def masks_reference(
    coefficients: Floats, proto: Floats, image_boxes_xyxy: Floats, letterbox: Letterbox
) -> npt.NDArray[np.bool_]:
    """The same masks by the definition: every logit, every pixel interpolated in float64; the oracle."""
    width, height = letterbox.source_wh
    logits = np.einsum("nk,hwk->nhw", coefficients.astype(np.float64), proto.astype(np.float64))
    scale_xy, shift = letterbox.scale_xy, (letterbox.left, letterbox.top)
    grid = []
    for axis, count in enumerate((width, height)):
        limit = (proto.shape[1], proto.shape[0])[axis]
        inputs = (np.arange(count) + 0.5) * scale_xy[axis] + shift[axis]
        grid.append(np.clip(inputs * limit / letterbox.size_wh[axis] - 0.5, 0, limit - 1))
    (x, y) = grid
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x1, y1 = np.minimum(x0 + 1, proto.shape[1] - 1), np.minimum(y0 + 1, proto.shape[0] - 1)
    fx, fy = x - x0, (y - y0)[:, None]
    upper = logits[:, y0][:, :, x0] * (1 - fx) + logits[:, y0][:, :, x1] * fx
    lower = logits[:, y1][:, :, x0] * (1 - fx) + logits[:, y1][:, :, x1] * fx
    columns, rows = np.arange(width), np.arange(height)
    left, top, right, bottom = (image_boxes_xyxy[:, i, None] for i in range(4))
    inside = ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]
    return np.asarray((upper * (1 - fy) + lower * fy > 0) & inside, np.bool_)
