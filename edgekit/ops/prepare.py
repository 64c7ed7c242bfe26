"""From an image straight to the model's input: letterbox and colours in one go, into buffers used again.

The same numbers as `pack_input(letterbox_image(bgr))`, without the letterboxed image in between: what is not
padding is converted once, at the place where it belongs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.ops.buffers import Buffers
from edgekit.ops.letterbox import Letterbox, check_bgr, letterbox_image, letterbox_of
from edgekit.ops.pixels import pack_input
from edgekit.ops.yuv import bgr_to_yuv444, check_even, to_color_range
from edgekit.spec import InputSpec, Preprocess

Pixels = npt.NDArray[np.uint8]


def prepare_image(
    bgr: Pixels, input_spec: InputSpec, preprocess: Preprocess, buffers: Buffers
) -> tuple[Pixels, Letterbox]:
    """Convert an image to a model's input, without the letterboxed image in between.

    Args:
        bgr: (h, w, 3) uint8.
        input_spec: Kind and layout of the input.
        preprocess: Its size, padding and color range.
        buffers: Memory for the result, which the next call with them overwrites.

    Returns:
        What `pack_input(letterbox_image(bgr))` gives, and where the image lies in it.

    Raises:
        ImageError: `bgr` is no image.
    """
    fill = FILLERS.get((input_spec.kind, input_spec.layout if input_spec.kind != "nv12" else ""))
    if fill is None or preprocess.fit == "crop":
        canvas, box = letterbox_image(bgr, preprocess)
        return pack_input(canvas, input_spec, preprocess), box
    check_bgr(bgr)
    box = letterbox_of((bgr.shape[1], bgr.shape[0]), preprocess)
    return fill(_resized(bgr, box, buffers), box, preprocess, buffers), box


def _resized(bgr: Pixels, box: Letterbox, buffers: Buffers) -> Pixels:
    if box.resized_wh == box.source_wh:
        return bgr
    out = buffers.array("resized", (box.resized_wh[1], box.resized_wh[0], 3))
    return np.asarray(cv2.resize(bgr, box.resized_wh, dst=out, interpolation=cv2.INTER_LINEAR), np.uint8)


def _fill_nv12(bgr: Pixels, box: Letterbox, preprocess: Preprocess, buffers: Buffers) -> Pixels:
    """Convert the image and as much padding as its first and last chroma pairs take; the rest is constant."""
    width, height = preprocess.size_wh
    check_even(width, height)
    pad_y, pad_uv, _ = bgr_to_yuv444(_pad(preprocess), color_range=preprocess.color_range)[0, 0]  # grey: U is V
    left, right = box.left // 2 * 2, -(-(box.left + box.resized_wh[0]) // 2) * 2
    top, bottom = box.top // 2 * 2, -(-(box.top + box.resized_wh[1]) // 2) * 2
    ycrcb = buffers.array("ycrcb", (bottom - top, right - left, 3))
    x, y = box.left - left, box.top - top
    window = (x, y, x + box.resized_wh[0], y + box.resized_wh[1])  # an odd edge shares its chroma with padding
    _fill_around(ycrcb, window, cv2.cvtColor(_pad(preprocess), cv2.COLOR_BGR2YCrCb)[0, 0])
    cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb, dst=ycrcb[window[1] : window[3], window[0] : window[2]])
    out = buffers.array("nv12", (height * width * 3 // 2,))
    luma = out[: height * width].reshape(height, width)
    pairs = out[height * width :].reshape(height // 2, width // 2, 2)
    _fill_around(luma, (left, top, right, bottom), pad_y)
    _fill_around(pairs, (left // 2, top // 2, right // 2, bottom // 2), pad_uv)
    inner_luma, inner_pairs = luma[top:bottom, left:right], pairs[top // 2 : bottom // 2, left // 2 : right // 2]
    red, blue = (buffers.array(name, ycrcb.shape[:2]) for name in ("cr", "cb"))
    cv2.split(ycrcb, [inner_luma, red, blue])
    small = [buffers.array(name, inner_pairs.shape[:2]) for name in ("u", "v")]
    for plane, half in zip((blue, red), small, strict=True):  # one channel at a time: twice as fast as three
        cv2.resize(plane, half.shape[::-1], dst=half, interpolation=cv2.INTER_AREA)
    cv2.merge(small, dst=inner_pairs)
    to_color_range(inner_luma, inner_pairs, preprocess.color_range)
    return out


def _fill_planes(bgr: Pixels, box: Letterbox, preprocess: Preprocess, buffers: Buffers, *, order: str) -> Pixels:
    width, height = preprocess.size_wh
    out = buffers.array(order, (1, 3, height, width))
    planes = dict(zip(order, out[0], strict=True))
    for plane in planes.values():
        _fill_around(plane, _inside(box), preprocess.pad_value)
    cv2.split(bgr, [_window(planes[channel], box) for channel in "bgr"])
    return out


def _fill_pixels(bgr: Pixels, box: Letterbox, preprocess: Preprocess, buffers: Buffers, *, order: str) -> Pixels:
    width, height = preprocess.size_wh
    out = buffers.array(order, (1, height, width, 3))
    _fill_around(out[0], _inside(box), preprocess.pad_value)
    inner = _window(out[0], box)
    if order == "rgb":
        cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=inner)
    else:
        inner[...] = bgr
    return out


def _window(canvas: Pixels, box: Letterbox) -> Pixels:
    """Return the part of the input where the image lies."""
    left, top, right, bottom = _inside(box)
    return canvas[top:bottom, left:right]


def _inside(box: Letterbox) -> tuple[int, int, int, int]:
    return box.left, box.top, box.left + box.resized_wh[0], box.top + box.resized_wh[1]


def _fill_around(canvas: Pixels, window_xyxy: tuple[int, int, int, int], value: npt.ArrayLike) -> None:
    """Write the padding: everything of the canvas (h, w) or (h, w, c) outside the window."""
    left, top, right, bottom = window_xyxy
    for border in (canvas[:top], canvas[bottom:], canvas[top:bottom, :left], canvas[top:bottom, right:]):
        if border.size:
            border[...] = value


def _pad(preprocess: Preprocess) -> Pixels:
    return np.full((1, 1, 3), preprocess.pad_value, np.uint8)


FILLERS: dict[tuple[str, str], Callable[[Pixels, Letterbox, Preprocess, Buffers], Pixels]] = {
    ("nv12", ""): _fill_nv12,
    ("rgb", "NCHW"): partial(_fill_planes, order="rgb"),
    ("bgr", "NCHW"): partial(_fill_planes, order="bgr"),
    ("rgb", "NHWC"): partial(_fill_pixels, order="rgb"),
    ("bgr", "NHWC"): partial(_fill_pixels, order="bgr"),
}
