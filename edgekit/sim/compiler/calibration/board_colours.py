"""What calibration sees of an image: what the board's own node makes of it, and for NV12 the colours that come back.

The vendor's compiler calibrates behind its own conversion node. Sharp edges of saturated colours leave 0..255 there,
because four pixels share one chroma; `edgekit calibrate` writes no such images, others do. Found by comparing the
thresholds of its builds (all 114 of a yolov5n are the same float32). Studio range was not looked at and stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgekit.bpu import COLOR_RANGES
from edgekit.calibration.nv12_colors import nv12_planes
from edgekit.ops.yuv import bgr_to_nv12, nv12_to_yuv444
from edgekit.sim.compiler.emit.preprocess import PIXEL_CENTRE, BoardInput, ImageInput, centred_affine

OF_ITSELF = ("rgb", "bgr", "gray")  # what a model is trained on and the board may feed as it is
TOLERANCE = 1e-3  # grey levels


def as_calibration_sees(values: npt.NDArray[np.float32], source: BoardInput) -> npt.NDArray[np.float32]:
    """Return a float input as it comes back from the board's colours, computed as the board's node does.

    Args:
        values: (1, C, H, W) normalised, as the float model takes it.
        source: What the board feeds for this input.

    Returns:
        The same shape: for NV12 in full range converted there and back; for RGB, BGR and grey the same but for last
        digits; otherwise `values`.
    """
    if not isinstance(source, ImageInput) or COLOR_RANGES.get(source.color_space) != "full":
        return values
    if source.train_kind not in OF_ITSELF or source.kind not in ("nv12", *OF_ITSELF):
        return values
    scale, mean = (np.asarray(v)[:, None, None] for v in (source.normalisation.scale, source.normalisation.mean))
    pixels = _whole(values[0] / scale + mean).astype(np.float32)
    if source.kind != "nv12":
        own = replace(source, kind=source.train_kind)  # another order of the channels changes no number
        return _normalised(own, pixels)
    return _normalised(source, nv12_planes(np.rint(pixels if source.train_kind == "rgb" else pixels[::-1])))


def as_model_takes(pixels: npt.NDArray[np.uint8], source: BoardInput) -> npt.NDArray[np.float32]:
    """Return an image as the float model takes it: its true colours, normalised as the yaml says.

    Args:
        pixels: (1, C, H, W) uint8 of the input's size, channels as the model was trained.
        source: What the board feeds for this input.

    Returns:
        (1, C, H, W) float32.
    """
    return source.normalisation.apply(pixels) if isinstance(source, ImageInput) else pixels.astype(np.float32)


def as_board_feeds(pixels: npt.NDArray[np.uint8], source: BoardInput) -> npt.NDArray[np.float32]:
    """Return an image as the integer graph reads it, before it is rounded there.

    Args:
        pixels: (1, C, H, W) uint8 of the input's size, channels as the model was trained.
        source: What the board feeds for this input.

    Returns:
        (1, C, H, W) float32, normalised: for NV12 with the chroma that `edgekit run` makes of the image.
    """
    if not isinstance(source, ImageInput) or source.kind != "nv12" or source.train_kind not in ("rgb", "bgr"):
        return as_model_takes(pixels, source)
    planes = pixels[0] if source.train_kind == "bgr" else pixels[0, ::-1]
    bgr = np.ascontiguousarray(planes.transpose(1, 2, 0))
    size_wh = (bgr.shape[1], bgr.shape[0])
    yuv = nv12_to_yuv444(bgr_to_nv12(bgr, color_range=COLOR_RANGES[source.color_space]), size_wh)
    return _normalised(source, yuv.transpose(2, 0, 1).astype(np.float32))


def _normalised(source: ImageInput, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Board pixels (C, H, W) as the float model takes them, (1, C, H, W)."""
    matrix, offset = centred_affine(source)
    centred = pixels - np.float32(PIXEL_CENTRE)
    converted: npt.NDArray[np.float32] = np.einsum("cy,yhw->chw", matrix, centred) + offset[:, None, None]
    return converted[None]


def _whole(pixels: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Pixels without what normalising and its inverse leave behind a whole number."""
    whole = np.rint(pixels)
    return np.where(np.abs(pixels - whole) < TOLERANCE, whole, pixels)
