"""The BPU through the board's `pyeasy_dnn` (RDK X3, and X5 before RDK OS 3.5)."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import DeviceError, ModelError
from edgekit.runtime.device import TensorInfo, Tensors, dtype_name, scale_tuple, valid_part

MODULES = ("hobot_dnn.pyeasy_dnn", "hobot_dnn_rdkx5.pyeasy_dnn")  # the system's first, then PyPI's


def import_pyeasy() -> ModuleType:
    """The vendor's module; raises DeviceError with what was tried.

    The PyPI package installs on a PC, too, and fails there with ImportError or OSError, so both count as absent.
    """
    failures = []
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:
            failures.append(f"{name}: {error}")
    raise DeviceError(
        f"no BPU library here ({'; '.join(failures)})",
        hint='on the board: pip install "edgekit[board]"; elsewhere: --device sim',
    )


class PyeasyDevice:
    """A Device on the board; outputs are copied out of the library's buffers, which it uses again."""

    kind = "bpu"

    def __init__(self, path: Path, *, module: ModuleType | None = None) -> None:
        dnn = module or import_pyeasy()
        try:
            self._model = dnn.load(str(path))[0]
        except Exception as error:  # the library raises whatever its C++ side threw
            raise DeviceError(
                f"the BPU library cannot load {path} ({error})",
                hint="check with edgekit report that the model was compiled for this board's march and runtime",
            ) from error
        self._lock = threading.Lock()
        self.inputs = tuple(_info(t) for t in self._model.inputs)
        self.outputs = tuple(_info(t) for t in self._model.outputs)

    def infer(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Runs one frame. Inputs are bound by name and handed over in the model's order."""
        missing = [t.name for t in self.inputs if t.name not in inputs]
        if missing:
            raise ModelError(
                f"input {missing[0]!r} is missing, got {', '.join(inputs) or 'none'}", hint="name every input"
            )
        arrays = [np.ascontiguousarray(inputs[t.name]) for t in self.inputs]
        with self._lock:  # the library reuses its output buffers
            try:
                outputs = self._model.forward(arrays[0] if len(arrays) == 1 else arrays)
                by_name = {t.name: t.buffer for t in outputs}
                return {t.name: valid_part(by_name[t.name], t.shape) for t in self.outputs}
            except Exception as error:
                raise DeviceError(
                    f"the BPU failed on this frame ({error})", hint="check the input's size; restart if it repeats"
                ) from error

    def close(self) -> None:
        """The library has no unload; the model goes with the object."""


def _info(tensor: Any) -> TensorInfo:
    """`validShape` is trusted, `layout` never: NHWC tensors are reported as NCHW in the field."""
    properties = tensor.properties
    shape = tuple(int(side) for side in getattr(properties, "validShape", None) or properties.shape)
    scale = scale_tuple(getattr(properties, "scale_data", None))
    return TensorInfo(tensor.name, shape, dtype_name(properties.dtype), scale, len(shape) - 1)
