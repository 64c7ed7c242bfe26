"""Mask logits from prototypes, in each object's own window of the prototype grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.ops.letterbox import Letterbox

Floats = npt.NDArray[np.float32]
Windows = npt.NDArray[np.int64]  # (n, 4) x1, y1, x2, y2 in prototype cells


def box_windows(boxes_xyxy: Floats, proto_wh: tuple[int, int], letterbox: Letterbox) -> Windows:
    """The prototype cells [x1, x2) x [y1, y2) that the pixels of each box (n, 4, input pixels) are read from.

    A pixel that a box holds has its centre at most half a source pixel behind the box's edges; at x in input pixels
    it is interpolated between cell floor(x * cells per pixel - 1/2) and the next one.
    """
    (width, height), scale_xy = proto_wh, letterbox.scale_xy
    per_pixel = width / letterbox.size_wh[0], height / letterbox.size_wh[1]
    shift = scale_xy[0] / 2 * per_pixel[0] - 0.5, scale_xy[1] / 2 * per_pixel[1] - 0.5
    cells = boxes_xyxy * np.asarray(per_pixel * 2) + np.asarray((*shift, shift[0] + 2, shift[1] + 2))
    np.floor(cells, out=cells)
    np.maximum(cells, np.asarray((0, 0, 1, 1)), out=cells)
    np.minimum(cells, np.asarray((width - 1, height - 1, width, height)), out=cells)
    windows = cells.astype(np.int64)
    np.maximum(windows[:, 2:], windows[:, :2] + 1, out=windows[:, 2:])
    return windows


def window_logits(coefficients: Floats, proto: npt.NDArray[Any], windows: Windows) -> tuple[Floats, ...]:
    """Coefficients (n, k) . proto (height, width, k), for each object in its own window (h, w) alone.

    Memory is read fastest in one go: windows of half the width or more are computed in whole rows, and all of them in
    one product over the union of their rows where they share enough of these. Integers are made floats in one go, too;
    those are in the cache then, where windows cost what they hold.
    """
    floats, windows = _floats_of_union(proto, windows)
    is_wide = (windows[:, 2] - windows[:, 0]) * 2 >= proto.shape[1]
    if floats is not proto:
        is_wide[:] = False
    wide = is_wide.nonzero()[0]
    parts: dict[int, Floats] = {}
    if len(wide) > 1 and _share_rows(windows.take(wide, axis=0)):
        parts = dict(zip(wide.tolist(), _in_one(coefficients[wide], floats, windows[wide]), strict=True))
    flags, corners = is_wide.tolist(), windows.tolist()
    for index in windows[:, 1].argsort().tolist():  # from top to bottom: neighbours share what is in the cache
        if index not in parts:
            x1, y1, x2, y2 = corners[index]
            if flags[index]:
                parts[index] = (_floats(floats[y1:y2]) @ coefficients[index])[:, x1:x2]
            else:
                parts[index] = _floats(floats[y1:y2, x1:x2]) @ coefficients[index]
    return tuple(parts[index] for index in range(len(windows)))


def window_logits_reference(coefficients: Floats, proto: npt.NDArray[Any], windows: Windows) -> tuple[Floats, ...]:
    """The same by multiplying and adding, in float64: the oracle of `window_logits`."""
    planes = np.einsum("nk,hwk->nhw", coefficients.astype(np.float64), proto.astype(np.float64))
    return tuple(
        plane[y1:y2, x1:x2].astype(np.float32) for plane, (x1, y1, x2, y2) in zip(planes, windows.tolist(), strict=True)
    )


def _floats_of_union(proto: npt.NDArray[Any], windows: Windows) -> tuple[npt.NDArray[Any], Windows]:
    """Integers as floats, all rows of the windows at once, where these fill a good part; and the windows in them."""
    if proto.dtype == np.float32 or not len(windows):
        return proto, windows
    top, bottom = int(windows[:, 1].min()), int(windows[:, 3].max())
    sides = windows[:, 2:] - windows[:, :2]
    if (sides[:, 0] * sides[:, 1]).sum() * 4 < (bottom - top) * proto.shape[1]:
        return proto, windows
    return proto[top:bottom].astype(np.float32), windows - (0, top, 0, top)


def _share_rows(windows: Windows) -> bool:
    """Whether one product is cheaper: each further object makes a row an eighth dearer (measured)."""
    union = windows[:, 3].max() - windows[:, 1].min()
    return bool((windows[:, 3] - windows[:, 1]).sum() > union * (1 + len(windows) / 8))


def _in_one(coefficients: Floats, proto: npt.NDArray[Any], windows: Windows) -> list[Floats]:
    top, bottom = int(windows[:, 1].min()), int(windows[:, 3].max())
    planes = _floats(proto[top:bottom]) @ coefficients.T
    return [planes[y1 - top : y2 - top, x1:x2, index] for index, (x1, y1, x2, y2) in enumerate(windows.tolist())]


def _floats(part: npt.NDArray[Any]) -> Floats:
    return part.astype(np.float32, copy=False)
