"""What calibration sees of a model that the board feeds in NV12: the colours that come back from it, unclamped.

The vendor's compiler calibrates behind its own conversion node. Sharp edges of saturated colours leave 0..255 there,
because four pixels share one chroma, and so the input's threshold lies above the largest pixel: 1.1 to 1.6 where 1.0
would do. Found by comparing the thresholds of its builds (all 113 of a yolov5n agree to 5e-7): luma and chroma are
rounded down, chroma is that of the upper left pixel of four. Studio range was not looked at and stays as it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.bpu import COLOR_RANGES
from edgekit.sim.compiler.emit.preprocess import BoardInput, ImageInput, affine_of

# ITU-R BT.601, full range: Y, U - 128, V - 128 of R, G, B.
RGB_TO_YUV = ((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081))
LARGEST = 255
NEUTRAL = 128  # chroma of grey


def as_calibration_sees(values: npt.NDArray[np.float32], source: BoardInput) -> npt.NDArray[np.float32]:
    """Return a float input as it comes back from the board's colours.

    Args:
        values: (1, C, H, W) normalised, as the float model takes it.
        source: What the board feeds for this input.

    Returns:
        The same shape: for NV12 in full range converted there and back, otherwise `values`.
    """
    if not isinstance(source, ImageInput) or source.kind != "nv12" or source.train_kind not in ("rgb", "bgr"):
        return values
    if COLOR_RANGES.get(source.color_space) != "full":
        return values
    scale, mean = (np.asarray(v)[:, None, None] for v in (source.normalisation.scale, source.normalisation.mean))
    pixels = np.rint(values[0] / scale + mean).astype(np.float32)
    red, green, blue = pixels if source.train_kind == "rgb" else pixels[::-1]
    luma, *chroma = (
        np.floor(np.float32(r) * red + np.float32(g) * green + np.float32(b) * blue + np.float32(shift))
        for (r, g, b), shift in zip(RGB_TO_YUV, (0, NEUTRAL, NEUTRAL), strict=True)
    )  # in single precision: what should be whole falls below now and then, there, too
    matrix, offset = affine_of(source)
    yuv = np.stack([luma, *(_shared_by_four(plane) for plane in chroma)])
    converted = np.einsum("cy,yhw->chw", matrix, yuv) + offset[:, None, None]
    return converted[None].astype(np.float32)


def _shared_by_four(chroma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The upper left one of every 2 x 2 values, as bytes."""
    kept = np.clip(chroma[::2, ::2], 0, LARGEST)
    return kept.repeat(2, axis=0).repeat(2, axis=1)[: chroma.shape[0], : chroma.shape[1]]
