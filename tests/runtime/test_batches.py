"""Images put into calls of several, the last one filled up; outputs taken apart again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgekit.errors import DeviceError
from edgekit.runtime.batches import infer_images
from edgekit.runtime.device import TensorInfo, Tensors


class Doubling:
    """A device that takes `batch` rows per call and doubles them; it keeps what it got."""

    kind = "sim"
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.calls: list[npt.NDArray[Any]] = []

    def infer(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Double the rows."""
        self.calls.append(inputs["x"])
        return {"y": inputs["x"][: self.batch] * 2}

    def close(self) -> None:
        """Nothing is held."""


def test_the_last_call_is_filled_up_with_its_last_image() -> None:
    device = Doubling(3)
    inputs = [np.array([[i]]) for i in range(4)]
    heads = infer_images(device, "x", inputs, 3)
    assert [int(item["y"][0, 0]) for item in heads] == [0, 2, 4, 6]
    assert [item["y"].shape for item in heads] == [(1, 1)] * 4
    assert [call.ravel().tolist() for call in device.calls] == [[0, 1, 2], [3, 3, 3]]
    assert infer_images(device, "x", [], 3) == []


def test_outputs_of_another_number_of_images_are_refused() -> None:
    with pytest.raises(DeviceError, match=r"output 'y' of \(2, 1\), expected 3 images"):
        infer_images(Doubling(2), "x", [np.array([[0]])], 3)
