"""From a letterboxed image to the array that the model's input takes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError
from edgekit.ops.yuv import bgr_to_nv12, bgr_to_yuv444
from edgekit.preprocess import ColorRange
from edgekit.spec import InputKind, InputSpec, Preprocess

Pixels = npt.NDArray[np.uint8]


def pack_input(bgr: Pixels, input_spec: InputSpec, preprocess: Preprocess) -> Pixels:
    """Convert a letterboxed image to the kind and layout of a model's input.

    Args:
        bgr: (h, w, 3) uint8.
        input_spec: Kind and layout.
        preprocess: The color range of YUV kinds.

    Returns:
        uint8: flat (h * w * 3 / 2,) for nv12, else (1, c, h, w) or (1, h, w, c).

    Raises:
        ModelError: The input is a featuremap, which is no image.
    """
    if input_spec.kind == "nv12":
        return bgr_to_nv12(bgr, color_range=preprocess.color_range)
    if input_spec.kind not in CONVERTERS:
        raise ModelError(
            f"input {input_spec.name!r} is a {input_spec.kind}, expected a kind of image",
            hint="give the array to Session.infer yourself",
        )
    pixels = CONVERTERS[input_spec.kind](bgr, preprocess.color_range)
    if input_spec.layout == "NCHW":
        pixels = np.moveaxis(pixels, -1, 0)
    return np.ascontiguousarray(pixels)[None]


def normalised(pixels: Pixels, input_spec: InputSpec, preprocess: Preprocess) -> npt.NDArray[np.float32]:
    """Convert pixels to what a float model takes: (pixel - mean) / std, in 0..1 where the model says nothing else.

    Args:
        pixels: (1, c, h, w) or (1, h, w, c) uint8, in the channel order of the model.
        input_spec: Layout of the input.
        preprocess: Mean and standard deviation.

    Returns:
        float32 of the same shape.
    """
    sides = (1, -1, 1, 1) if input_spec.layout == "NCHW" else (1, 1, 1, -1)
    values = pixels.astype(np.float32)
    if any(preprocess.mean):
        values -= np.asarray(preprocess.mean, np.float32).reshape(sides)
    values /= np.asarray(preprocess.std, np.float32).reshape(sides)
    return values


def _rgb(bgr: Pixels, color_range: ColorRange) -> Pixels:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _bgr(bgr: Pixels, color_range: ColorRange) -> Pixels:
    return bgr


def _gray(bgr: Pixels, color_range: ColorRange) -> Pixels:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8)[..., None]


def _yuv444(bgr: Pixels, color_range: ColorRange) -> Pixels:
    return bgr_to_yuv444(bgr, color_range=color_range)


CONVERTERS: dict[InputKind, Callable[[Pixels, ColorRange], Pixels]] = {
    "rgb": _rgb,
    "bgr": _bgr,
    "gray": _gray,
    "yuv444": _yuv444,
}
