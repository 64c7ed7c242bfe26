"""NV12 frames as cameras and codecs give them: letterboxed plane by plane, without a round trip to BGR."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ImageError
from edgekit.ops.buffers import Buffers
from edgekit.ops.letterbox import Letterbox, letterbox_of
from edgekit.ops.yuv import bgr_to_yuv444, check_even, nv12_to_yuv444, range_tables
from edgekit.preprocess import ColorRange
from edgekit.spec import Preprocess

Frame = npt.NDArray[np.uint8]


def letterbox_nv12(
    nv12: Frame,
    size_wh: tuple[int, int],
    preprocess: Preprocess,
    buffers: Buffers,
    *,
    color_range: ColorRange | None = None,
) -> tuple[Frame, Letterbox]:
    """Letterbox an NV12 frame into a model's NV12 input.

    A frame of the input's size and colors passes through as it is. Otherwise both planes are scaled into a letterbox
    whose edges are even, so that chroma pairs stay whole.

    Args:
        nv12: Packed frame, flat uint8 of w * h * 3 / 2.
        size_wh: Its size in pixels.
        preprocess: The input's size, padding and color range.
        buffers: Memory for the result.
        color_range: The frame's, "full" or "studio"; None for the model's.

    Returns:
        The input, flat uint8, and where the frame lies in it.

    Raises:
        ImageError: The frame has another size, or a side is odd.
    """
    check_even(*size_wh)
    check_even(*preprocess.size_wh)
    flat = check_nv12(nv12, size_wh)
    same_colors = color_range in (None, preprocess.color_range)
    box = even_letterbox(size_wh, preprocess)
    if size_wh == preprocess.size_wh and same_colors:
        return flat, box
    out = buffers.array("nv12", (preprocess.width * preprocess.height * 3 // 2,))
    pad = np.full((1, 1, 3), preprocess.pad_value, np.uint8)
    pad_y, pad_uv, _ = bgr_to_yuv444(pad, color_range=preprocess.color_range)[0, 0]  # grey: U is V
    luma_table, chroma_table = range_tables(color_range or preprocess.color_range, preprocess.color_range)
    source, target = nv12_planes(flat, size_wh), nv12_planes(out, preprocess.size_wh)
    parts = ((1, luma_table, pad_y), (2, chroma_table, pad_uv))
    for plane_in, plane_out, (step, table, value) in zip(source, target, parts, strict=True):
        left, top, width, height = (v // step for v in (box.left, box.top, *box.resized_wh))
        plane_out[...] = value
        inner = plane_out[top : top + height, left : left + width]
        cv2.resize(plane_in, (width, height), dst=inner, interpolation=cv2.INTER_LINEAR)
        if not same_colors:
            cv2.LUT(inner, table, dst=inner)
    return out, box


def even_letterbox(source_wh: tuple[int, int], preprocess: Preprocess) -> Letterbox:
    """Return the usual letterbox with its size and offset rounded down to even numbers."""
    box = letterbox_of(source_wh, preprocess)
    width, height = (max(2, side // 2 * 2) for side in box.resized_wh)
    left, top = ((whole - part) // 4 * 2 for whole, part in zip(preprocess.size_wh, (width, height), strict=True))
    return Letterbox(source_wh, preprocess.size_wh, (width, height), left, top)


def nv12_planes(flat: Frame, size_wh: tuple[int, int]) -> tuple[Frame, Frame]:
    """Return views of luma (h, w) and chroma pairs U, V (h/2, w/2, 2) in a packed NV12 frame.

    Args:
        flat: Packed frame, flat uint8.
        size_wh: Its size in pixels.

    Returns:
        Luma and chroma, sharing memory with `flat`.
    """
    width, height = size_wh
    count = width * height
    return flat[:count].reshape(height, width), flat[count:].reshape(height // 2, width // 2, 2)


def nv12_to_bgr(nv12: Frame, size_wh: tuple[int, int], *, color_range: ColorRange = "full") -> Frame:
    """Convert NV12 to BGR, for models that take no NV12, and for drawing (BT.601; a chroma pair serves its 2x2 pixels).

    Args:
        nv12: Packed frame, flat uint8.
        size_wh: Its size in pixels.
        color_range: The frame's, "full" or "studio".

    Returns:
        (h, w, 3) uint8.

    Raises:
        ImageError: The frame has another size or dtype.
    """
    yuv = nv12_to_yuv444(check_nv12(nv12, size_wh), size_wh)
    if color_range == "studio":
        luma_table, chroma_table = range_tables("studio", "full")
        yuv = np.stack([luma_table[yuv[..., 0]], chroma_table[yuv[..., 1]], chroma_table[yuv[..., 2]]], axis=-1)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(yuv[..., (0, 2, 1)]), cv2.COLOR_YCrCb2BGR), np.uint8)


def check_nv12(nv12: Frame, size_wh: tuple[int, int]) -> Frame:
    """Return the frame as a flat array; raises ImageError if it has another size or dtype."""
    expected = size_wh[0] * size_wh[1] * 3 // 2
    if getattr(nv12, "dtype", None) != np.uint8 or nv12.size != expected:
        actual = f"{getattr(nv12, 'size', '?')} elements of {getattr(nv12, 'dtype', type(nv12).__name__)}"
        raise ImageError(
            f"the NV12 frame has {actual}, expected {expected} of uint8",
            hint=f"give a packed NV12 frame of {size_wh[0]}x{size_wh[1]}, as np.frombuffer(bytes, np.uint8)",
        )
    return nv12.reshape(-1)
