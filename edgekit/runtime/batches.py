"""Compiled models that take several images per call: prepared inputs stacked, outputs taken apart again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import DeviceError
from edgekit.runtime.device import Device, Tensors

__all__ = ["infer_images"]


def infer_images(device: Device, name: str, inputs: Sequence[npt.NDArray[Any]], batch: int) -> list[Tensors]:
    """Run prepared images through a model whose calls take `batch` of them.

    Args:
        device: The model, of one input.
        name: Of the input.
        inputs: One per image as `Session.prepare` makes it: (1, ...), or flat NV12. Any number of them.
        batch: Images per call. The last call is filled up with its last image, whose further outputs are dropped.

    Returns:
        Per image, output name -> (1, ...).

    Raises:
        ModelError: The inputs do not fit.
        DeviceError: The device fails, or gives outputs for another number of images.
    """
    heads: list[Tensors] = []
    for start in range(0, len(inputs), batch):
        group = list(inputs[start : start + batch])
        filled = group + group[-1:] * (batch - len(group))
        outputs = device.infer({name: np.concatenate(filled)})
        wrong = next((f"{key!r} of {value.shape}" for key, value in outputs.items() if len(value) != batch), None)
        if wrong is not None:
            raise DeviceError(
                f"{device.kind} gives output {wrong}, expected {batch} images along its first axis",
                hint="put the sidecar of this very build beside the model, or compile again",
            )
        heads += [{key: value[i : i + 1] for key, value in outputs.items()} for i in range(len(group))]
    return heads
