"""What results of every task share: the image's size, the device, checks, and other libraries."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.device_kinds import BPU, device_tag
from edgekit.errors import DeviceError, ImageError, ModelError
from edgekit.ops.draw import DARK, draw_text
from edgekit.ops.letterbox import check_bgr

Image = npt.NDArray[np.uint8]


def heading(device: str, size_wh: tuple[int, int]) -> dict[str, Any]:
    """Return what the JSON of every result begins with."""
    return {"device": device, "simulated": device != BPU, "width": size_wh[0], "height": size_wh[1]}


def check_shape(name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raise ModelError unless a column has this shape."""
    if array.shape != shape:
        raise ModelError(f"{name} is {array.shape}, expected {shape}", hint="give every column one row per object")


def start_drawing(bgr: Image, size_wh: tuple[int, int]) -> Image:
    """Return a copy of the image to draw on; raises ImageError if it is not of `size_wh`."""
    check_bgr(bgr)
    if (bgr.shape[1], bgr.shape[0]) != size_wh:
        raise ImageError(
            f"the image is {bgr.shape[1]}x{bgr.shape[0]}, expected {size_wh[0]}x{size_wh[1]}",
            hint="draw on the image that was predicted",
        )
    return bgr.copy()


def finish_drawing(image: Image, device: str) -> Image:
    """Write on the image what computed it, unless that was a board."""
    if device != BPU:
        draw_text(image, device_tag(device), (0, image.shape[0]), DARK)
    return image


def import_library(name: str) -> Any:
    """Import a library that results convert to; raises DeviceError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise DeviceError(
            f"{package} is not installed, expected it for this conversion", hint=f"pip install {package}"
        ) from error
