"""Float ONNX models by onnxruntime: the float reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import DeviceError, ModelError
from edgekit.runtime.device import TensorInfo, Tensors

DTYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8", "tensor(int32)": "int32"}


class OrtDevice:
    """A Device on onnxruntime's CPU provider; `model` is a path or the bytes of an ONNX file."""

    kind = "onnxruntime"

    def __init__(self, model: Path | bytes, *, name: str = "the model", threads: int = 0) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise DeviceError(
                "onnxruntime is not installed, expected it for float ONNX models",
                hint='pip install "edgekit[host]"',
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        source = model if isinstance(model, bytes) else str(model)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a class of its own per failure
            raise ModelError(
                f"{name} cannot be loaded by onnxruntime ({str(error).splitlines()[0][:200]})",
                hint="check the file with onnx.checker, or export it again",
            ) from error
        self.inputs = tuple(_info(t) for t in self._session.get_inputs())
        self.outputs = tuple(_info(t) for t in self._session.get_outputs())

    def infer(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Runs one batch; raises ModelError where onnxruntime refuses the inputs."""
        names = [t.name for t in self.outputs]
        try:
            values = self._session.run(names, dict(inputs))
        except Exception as error:
            given = {k: (v.shape, str(v.dtype)) for k, v in inputs.items()}
            expected = {t.name: (t.shape, t.dtype) for t in self.inputs}
            raise ModelError(
                f"onnxruntime refused the input: got {given}, expected {expected}",
                hint="use Session.prepare to make the input from a picture",
            ) from error
        return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}

    def close(self) -> None:
        """onnxruntime frees the model with the object."""


def _info(tensor: Any) -> TensorInfo:
    shape = tuple(side if isinstance(side, int) else 1 for side in tensor.shape)
    return TensorInfo(tensor.name, shape, DTYPES.get(tensor.type, tensor.type))
