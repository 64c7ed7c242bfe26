"""The vendor's `pyeasy_dnn` API on the simulated device, so that a board script runs unchanged on a PC.

    from edgekit.sim import pyeasy_dnn as dnn

A script that says `from hobot_dnn import pyeasy_dnn as dnn` runs as it is after `shadow_hobot_dnn()`, or with
`python -m edgekit.sim.pyeasy_dnn SCRIPT [ARGUMENTS]`.

`load` takes simulated `.bin` files, quantized graphs, and real `.bin` files whose quantized graph lies beside
them. Shapes, dtypes and scales are the vendor's; what the integers are is exact, how long they take is not.
"""

from __future__ import annotations

import runpy
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.runtime.device import TensorInfo
from edgekit.sim.container import is_sim_bin
from edgekit.sim.device import SimDevice, open_sim_device

TENSOR_TYPES = {"int8": "S8", "int16": "S16", "int32": "S32", "float32": "F32", "uint8": "U8"}
INPUT_TENSOR_TYPES = {"nv12": "NV12", "rgb": "RGB", "bgr": "BGR", "yuv444": "YUV444", "gray": "Y"}


@dataclass(frozen=True, slots=True)
class TensorProperties:
    """As the vendor's library states them, in its spelling: there is no zero point and no axis."""

    tensor_type: str
    dtype: str
    layout: str
    shape: tuple[int, ...]
    validShape: tuple[int, ...]
    alignedShape: tuple[int, ...]
    scale_data: np.ndarray


@dataclass(slots=True)
class PyDNNTensor:
    """A tensor with its `properties` and, once it was computed, its `buffer`."""

    name: str
    properties: TensorProperties
    buffer: np.ndarray


class Model:
    """A loaded model: `inputs`, `outputs`, `forward`."""

    def __init__(self, name: str, device: SimDevice) -> None:
        self.name = name
        self._device = device
        self.inputs = tuple(_tensor(info, device.input_kinds[info.name]) for info in device.inputs)
        self.outputs = tuple(_tensor(info, None) for info in device.outputs)
        self.estimate_latency = 0  # in ms, of the last frame on this computer

    def forward(self, *args: Any, core_id: int = 0, priority: int = 0) -> tuple[PyDNNTensor, ...]:
        """Run one frame: an array, or a list with one per input; `core_id` and `priority` change nothing here."""
        arrays = args[0] if args else ()
        listed = [arrays] if isinstance(arrays, np.ndarray) else list(arrays)
        if len(listed) != len(self.inputs):
            raise ModelError(
                f"{len(listed)} inputs were given, expected {len(self.inputs)}", hint="give one array per input"
            )
        started = time.perf_counter()
        results = self._device.infer({t.name: _shaped(a, t) for t, a in zip(self.inputs, listed, strict=True)})
        self.estimate_latency = round((time.perf_counter() - started) * 1000)
        self.outputs = tuple(PyDNNTensor(t.name, t.properties, results[t.name]) for t in self.outputs)
        return self.outputs


def load(model_file: str | Path | Sequence[str | Path]) -> list[Model]:
    """Load one model file or several; always gives a list."""
    files = [model_file] if isinstance(model_file, (str, Path)) else list(model_file)
    return [Model(path.stem, open_beside(path)) for path in map(Path, files)]


def shadow_hobot_dnn() -> None:
    """Make `from hobot_dnn import pyeasy_dnn` (and hobot_dnn_rdkx5) give this module in this process."""
    for package in ("hobot_dnn", "hobot_dnn_rdkx5"):
        shadow = ModuleType(package)
        shadow.pyeasy_dnn = sys.modules[__name__]  # type: ignore[attr-defined]
        sys.modules[package] = shadow
        sys.modules[f"{package}.pyeasy_dnn"] = sys.modules[__name__]


def open_beside(path: Path) -> SimDevice:
    """Open a simulated `.bin`, a quantized graph, or the quantized graph beside a real `.bin`."""
    from edgekit.runtime.registry import quantized_beside

    if not path.is_file():
        raise ModelError(f"{path} does not exist, expected a model", hint="check the path")
    source = path
    if path.suffix != ".onnx" and not is_sim_bin(path):
        quantized = quantized_beside(path)
        if quantized is None:
            raise ModelError(
                f"{path} is compiled for the board and its quantized graph is not beside it",
                hint="put the *_quantized_model.onnx of the same build beside it",
            )
        source = quantized
    return open_sim_device(source)


def _tensor(info: TensorInfo, input_kind: str | None) -> PyDNNTensor:
    is_image = input_kind is not None and input_kind != "featuremap"
    kind = INPUT_TENSOR_TYPES[input_kind] if is_image and input_kind else TENSOR_TYPES[info.dtype]
    properties = TensorProperties(
        tensor_type=kind,
        dtype=info.dtype,
        layout="NCHW" if input_kind is not None and info.shape[-1] not in (1, 3) else "NHWC",
        shape=info.shape,
        validShape=info.shape,
        alignedShape=info.shape,
        scale_data=np.array(info.scale, np.float32),
    )
    return PyDNNTensor(info.name, properties, np.zeros(info.shape, info.dtype))


def _shaped(array: np.ndarray, tensor: PyDNNTensor) -> np.ndarray:
    """The library takes any contiguous buffer of the right size: bring it to the shape that the device wants."""
    array = np.asarray(array)
    properties = tensor.properties
    if properties.tensor_type == "NV12":
        return array.reshape(-1)
    same_size = array.size == int(np.prod(properties.shape))
    return array.reshape(properties.shape) if same_size else array


def _main(arguments: Sequence[str]) -> None:
    shadow_hobot_dnn()
    sys.argv = list(arguments)
    sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: python -m edgekit.sim.pyeasy_dnn SCRIPT [ARGUMENTS]")
    _main(sys.argv[1:])
