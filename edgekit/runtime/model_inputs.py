"""What a model takes, made of arrays by input name: images as always, featuremaps as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ImageError, ModelError
from edgekit.ops.buffers import Buffers
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.pixels import normalised
from edgekit.ops.prepare import prepare_image
from edgekit.spec import InputSpec, ModelSpec

__all__ = ["NO_IMAGE", "InputSample", "check_featuremap", "image_of", "prepare_arrays"]

Array = npt.NDArray[Any]
InputSample = npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]]  # an image or its input, or arrays by input name
FLOAT_STAGES = ("stock", "heads")
NO_IMAGE = Letterbox((1, 1), (1, 1), (1, 1), 0, 0)  # of a model that takes none


def prepare_arrays(
    arrays: Mapping[str, Array], spec: ModelSpec, buffers: Buffers
) -> tuple[dict[str, Array], Letterbox]:
    """Convert one sample to the model's inputs.

    Args:
        arrays: Input name -> (h, w, 3) or (h, w) uint8 BGR or grey for an image, of any size; for a featuremap its
            numbers in the shape of the sidecar, with or without the batch of 1.
        spec: The model.
        buffers: Memory for the results, which the next call with them overwrites.

    Returns:
        Input name -> array as the device takes it; and where the first image lies in its input (`NO_IMAGE` without).

    Raises:
        ModelError: An input is missing, unknown, or a featuremap of another shape.
        ImageError: An image is none.
    """
    names = [item.name for item in spec.inputs]
    if wrong := sorted(set(arrays) ^ set(names)):
        state = "missing" if wrong[0] in names else "unknown"
        raise ModelError(
            f"input {wrong[0]!r} is {state}, got {', '.join(arrays) or 'none'}, expected {', '.join(names)}",
            hint="give one array per input, by its name",
        )
    prepared: dict[str, Array] = {}
    letterbox = NO_IMAGE
    for item in spec.inputs:
        if not item.is_image:
            prepared[item.name] = check_featuremap(arrays[item.name], item)
            continue
        preprocess = spec.preprocess_of(item)
        memory = buffers if item.name == spec.input.name else Buffers()  # a set of their own: all live at once
        pixels, box = prepare_image(image_of(arrays[item.name], item), item, preprocess, memory)
        if item.name == spec.input.name:
            letterbox = box
        prepared[item.name] = normalised(pixels, item, preprocess) if spec.stage in FLOAT_STAGES else pixels
    return prepared, letterbox


def check_featuremap(array: Array, item: InputSpec) -> npt.NDArray[np.float32]:
    """Return a featuremap as float32 of the input's shape; raises ModelError where it has another or is no number."""
    values = np.asarray(array)
    shape = item.shape or values.shape
    if values.dtype.kind not in "fiub" or values.shape not in (shape, shape[1:]):
        raise ModelError(
            f"input {item.name!r} is {values.dtype}{list(values.shape)}, expected numbers of {list(shape)}",
            hint="save it in the shape of the ONNX's input, the batch of 1 included or left out",
        )
    floats = np.ascontiguousarray(values, np.float32).reshape(shape)
    if not np.isfinite(floats).all():
        raise ModelError(f"input {item.name!r} holds values that are not finite, expected numbers", hint="check it")
    return floats


def image_of(array: Array, item: InputSpec) -> npt.NDArray[np.uint8]:
    """Return an image as (h, w, 3) uint8 BGR; grey ones (h, w) or (h, w, 1) are taken, too."""
    image = np.asarray(array)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if (
        image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or (image.ndim == 3 and image.shape[2] != 3)
        or not image.size
    ):
        raise ImageError(
            f"input {item.name!r} is {image.dtype}{list(image.shape)}, expected an image: uint8 of (h, w, 3) or (h, w)",
            hint="save it in BGR, as edgekit.read_image gives it",
        )
    return image if image.ndim == 3 else np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
