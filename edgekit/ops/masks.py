"""Instance masks from prototypes: logits in each object's own window, full-size pixels only when asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError
from edgekit.kernels.decode_structs import AxisBlock
from edgekit.kernels.decoding import decode_kernels, fill_mask
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.pixel_grid import neighbours
from edgekit.ops.prototypes import box_windows, window_logits
from edgekit.ops.rle import encode_rle, mask_polygons

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class InstanceMasks:
    """The masks of n objects; `masks[i]` is a full-size boolean (height, width) of the original image.

    A pixel belongs to the object if its bilinearly interpolated logit is above 0 (sigmoid above 0.5) and its index lies
    within the box [x1, x2) x [y1, y2), as Ultralytics crops.

    Attributes:
        windows: Logits (h, w) float32 of each object, at prototype resolution.
        corners_xy: (n, 2): the prototype cell of each window's top-left one.
        boxes_xyxy: (n, 4) float32 original pixels, which masks are cropped to.
        proto_wh: Columns and rows of the prototypes.
        letterbox: Where the image lies in the model's input.
    """

    windows: Sequence[Floats]
    corners_xy: npt.NDArray[np.int64]
    boxes_xyxy: Floats
    proto_wh: tuple[int, int]
    letterbox: Letterbox

    def __len__(self) -> int:
        return len(self.windows)

    @overload
    def __getitem__(self, index: int) -> Mask: ...

    @overload
    def __getitem__(self, index: npt.NDArray[np.intp]) -> InstanceMasks: ...

    def __getitem__(self, index: int | npt.NDArray[np.intp]) -> Mask | InstanceMasks:
        if isinstance(index, np.ndarray):
            return self.take(index)
        width, height = self.letterbox.source_wh
        full = np.zeros((height, width), np.bool_)
        x1, y1, x2, y2 = self._pixels(index)
        if x2 > x1 and y2 > y1:
            self._fill(index, (x1, y1, x2, y2), full[y1:y2, x1:x2])
        return full

    def __iter__(self) -> Iterator[Mask]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[np.bool_]:
        width, height = self.letterbox.source_wh
        stacked = np.stack(list(self)) if len(self) else np.zeros((0, height, width), np.bool_)
        return stacked if dtype is None else np.asarray(stacked, dtype)

    def cropped(self, index: int) -> tuple[Mask, tuple[int, int]]:
        """Return the mask within its box alone, and the x, y of its top-left pixel in the original image."""
        x1, y1, x2, y2 = self._pixels(index)
        part = np.zeros((max(y2 - y1, 0), max(x2 - x1, 0)), np.bool_)
        if part.size:
            self._fill(index, (x1, y1, x2, y2), part)
        return part, (x1, y1)

    def rle(self, index: int) -> dict[str, list[int] | str]:
        """Return the full-size mask as COCO's compressed RLE."""
        return encode_rle(self[index])

    def polygons(self, index: int) -> list[list[float]]:
        """Return the outlines as [x1, y1, x2, y2, ...] in pixels of the original image."""
        part, (x, y) = self.cropped(index)
        return [[v + (x, y)[k % 2] for k, v in enumerate(line)] for line in mask_polygons(part)]

    def take(self, index: npt.NDArray[np.intp]) -> InstanceMasks:
        """Return the masks at `index` (k,), in that order."""
        windows = tuple(self.windows[i] for i in index)
        return replace(self, windows=windows, corners_xy=self.corners_xy[index], boxes_xyxy=self.boxes_xyxy[index])

    @staticmethod
    def concatenate(parts: Sequence[InstanceMasks]) -> InstanceMasks:
        """Join the masks of one image; raises ModelError if they come from prototypes that lie differently in it."""
        first = parts[0]
        if any((part.proto_wh, part.letterbox) != (first.proto_wh, first.letterbox) for part in parts):
            raise ModelError(
                "masks of different prototypes cannot be joined", hint="join results of one model on one image"
            )
        return replace(
            first,
            windows=tuple(window for part in parts for window in part.windows),
            corners_xy=np.concatenate([part.corners_xy for part in parts]),
            boxes_xyxy=np.concatenate([part.boxes_xyxy for part in parts]),
        )

    def _pixels(self, index: int) -> tuple[int, int, int, int]:
        """Return the pixels [x1, x2) x [y1, y2) within the box."""
        x1, y1, x2, y2 = map(math.ceil, self.boxes_xyxy[index].tolist())
        return x1, y1, x2, y2

    def _fill(self, index: int, pixels: tuple[int, int, int, int], out: Mask) -> None:
        """Set `out` (rows, columns) of these pixels to where the object is."""
        x1, y1, x2, y2 = pixels
        library, window = decode_kernels().library, self.windows[index]
        if library is not None and window.size and window.flags.c_contiguous and out.shape == (y2 - y1, x2 - x1):
            left, top = self.corners_xy[index].tolist()
            height, width = window.shape
            fill_mask(library, window, self._axis(0, left, x1, x2, width), self._axis(1, top, y1, y2, height), out)
            return
        columns, rows = self._cells(index, 0, x1, x2), self._cells(index, 1, y1, y2)
        out[...] = (interpolate(window, columns, rows) > 0)[: out.shape[0], : out.shape[1]]

    def _axis(self, axis: int, corner: int, first: int, last: int, count: int) -> AxisBlock:
        """Return what `_cells` computes as the kernels take it."""
        box, shift = self.letterbox, self.letterbox.top if axis else self.letterbox.left
        return AxisBlock(box.scale_xy[axis], shift, self.proto_wh[axis], box.size_wh[axis], corner, first, last, count)

    def _cells(self, index: int, axis: int, first: int, last: int) -> npt.NDArray[np.float64]:
        """Return where pixels first..last - 1 lie in the window, in cell indices along x (axis 0) or y (axis 1).

        Both count centers: pixel u is at u + 0.5 in the image, at (u + 0.5) * scale + shift in the input, and at that
        times proto / input - 0.5 in cells.
        """
        shift = (self.letterbox.left, self.letterbox.top)[axis]
        inputs = (np.arange(first, last) + 0.5) * self.letterbox.scale_xy[axis] + shift
        cells = inputs * self.proto_wh[axis] / self.letterbox.size_wh[axis] - 0.5
        return np.asarray(cells - self.corners_xy[index, axis], np.float64)


def interpolate(plane: Floats, columns: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]) -> Floats:
    """Interpolate a plane bilinearly, edges repeated.

    One axis after the other in float32: exact on every OpenCV version, whose warps round positions to 1/32.

    Args:
        plane: (h, w) float32.
        columns: (m,) float64 positions in cell indices.
        rows: (n,) float64 positions in cell indices.

    Returns:
        (n, m) float32.
    """
    (x0, x1, fx), (y0, y1, fy) = neighbours(columns, plane.shape[1]), neighbours(rows, plane.shape[0])
    tall = plane[y0] * (1 - fy)[:, None] + plane[y1] * fy[:, None]
    return np.asarray(tall[:, x0] * (1 - fx) + tall[:, x1] * fx, np.float32)


def instance_masks(
    coefficients: Floats,
    proto: npt.NDArray[Any],
    boxes_xyxy: Floats,
    image_boxes_xyxy: Floats,
    letterbox: Letterbox,
) -> InstanceMasks:
    """Make the masks of objects: logits = coefficients . prototypes, in the window of each box only.

    Args:
        coefficients: (n, k) float32.
        proto: (h, w, k); may be the device's integers if the coefficients carry their scale.
        boxes_xyxy: (n, 4) float32 input pixels, which choose the windows.
        image_boxes_xyxy: (n, 4) float32 original pixels, which crop the masks.
        letterbox: Where the image lies in the model's input.

    Returns:
        The masks.
    """
    proto_wh = (proto.shape[1], proto.shape[0])
    windows = box_windows(boxes_xyxy, proto_wh, letterbox)
    parts = window_logits(coefficients, proto, windows)
    return InstanceMasks(parts, windows[:, :2], image_boxes_xyxy, proto_wh, letterbox)


def masks_reference(
    coefficients: Floats, proto: Floats, image_boxes_xyxy: Floats, letterbox: Letterbox
) -> npt.NDArray[np.bool_]:
    """Make the masks (n, height, width) by the definition, every logit and pixel in float64: the oracle."""
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
