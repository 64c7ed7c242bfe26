"""What calibration sees of a model that the board feeds in NV12: the colours that come back from it, unclamped.

The vendor's compiler calibrates behind its own conversion node. Sharp edges of saturated colours leave 0..255 there,
because four pixels share one chroma; `edgekit calibrate` writes no such images, others do. Found by comparing the
thresholds of its builds (all 113 of a yolov5n agree to 5e-7). Studio range was not looked at and stays as it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.bpu import COLOR_RANGES
from edgekit.calibration.nv12_colors import nv12_planes
from edgekit.sim.compiler.emit.preprocess import PIXEL_CENTRE, BoardInput, ImageInput, centred_affine


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
    centred = nv12_planes(pixels if source.train_kind == "rgb" else pixels[::-1]) - np.float32(PIXEL_CENTRE)
    matrix, offset = centred_affine(source)
    converted: npt.NDArray[np.float32] = np.einsum("cy,yhw->chw", matrix, centred) + offset[:, None, None]
    return converted[None]
