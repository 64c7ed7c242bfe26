"""The seam between edgekit and what computes a model: the board's BPU, the simulated one, or onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.errors import DeviceError
from edgekit.spec import InputKind

SHORT_DTYPES = {"s8": "int8", "u8": "uint8", "s16": "int16", "s32": "int32", "f32": "float32", "f16": "float16"}

Tensors = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor as the device reports it.

    Attributes:
        name: Of the tensor.
        shape: Its valid part, without padding to aligned sizes.
        dtype: numpy's name.
        scale: One entry or one per channel along `axis`; empty for floats or if the device does not report it.
        axis: Of the scales.
        kind: Of an image input (`spec.InputKind`); "" if the device does not report it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: tuple[float, ...] = ()
    axis: int = 3
    kind: Literal[InputKind, ""] = ""


class Device(Protocol):
    """One loaded model on one device. `kind` is "bpu", "sim", "hbdk-sim", "onnxruntime" or "onnxruntime-PROVIDER"."""

    kind: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    def infer(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Run one frame; may be called from several threads.

        Args:
            inputs: Input name -> array.

        Returns:
            Output name -> array, owned by the caller.

        Raises:
            ModelError: The inputs do not fit.
            DeviceError: The device fails.
        """
        ...

    def close(self) -> None:
        """Release the model; the device cannot be used afterwards."""
        ...


def valid_part(buffer: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Copy the first `shape` of a buffer that the device padded to aligned sizes out of the device's memory."""
    if buffer.size == int(np.prod(shape)):
        return np.array(buffer.reshape(shape))
    return np.array(buffer[tuple(slice(0, side) for side in shape)])


def dtype_name(name: object) -> str:
    """Return numpy's name of a dtype as a board library writes it: "float32", "S8" or `HB_DNN_TENSOR_TYPE_S32`."""
    text = str(name).lower().rsplit(".", 1)[-1].removeprefix("hb_dnn_tensor_type_")
    return SHORT_DTYPES.get(text, text)


def scale_tuple(scale: object) -> tuple[float, ...]:
    """Return scales as a board library reports them: an array, a list, or nothing at all."""
    return () if scale is None else tuple(float(s) for s in np.asarray(scale, np.float32).reshape(-1))


def board_input(array: npt.NDArray[Any], info: TensorInfo) -> npt.NDArray[Any]:
    """Return `array` as a board library takes it: contiguous, and pixels around 0 if the input is int8.

    Not verified on a board: a model with rgb input at run time is compiled for pixel - 128, and its library may require
    either. What is uint8 for an int8 input is moved by 128 here, and nowhere else.
    """
    if info.dtype == "int8" and array.dtype == np.uint8:
        array = (array ^ np.uint8(0x80)).view(np.int8)
    return np.ascontiguousarray(array)


def closed_error() -> DeviceError:
    """Return the error of a device that was closed."""
    return DeviceError("this device is closed", hint="open the model again")
