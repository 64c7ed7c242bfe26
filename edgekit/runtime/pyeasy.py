"""The BPU through the board's `pyeasy_dnn` (RDK X3, and X5 before RDK OS 3.5)."""

from __future__ import annotations

import importlib
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy.typing as npt

from edgekit.errors import DeviceError, ModelError, NoBoardLibrary
from edgekit.runtime.device import TensorInfo, Tensors, board_input, closed_error, dtype_name, scale_tuple, valid_part
from edgekit.spec import InputKind

MODULES = ("hobot_dnn.pyeasy_dnn", "hobot_dnn_rdkx5.pyeasy_dnn")  # the system's first, then PyPI's
MAX_HANDLES = 2  # frames on their way at once: one on the BPU, the next one behind it
TENSOR_KINDS: dict[str, InputKind] = {"RGB": "rgb", "BGR": "bgr", "YUV444": "yuv444", "Y": "gray"}


def import_pyeasy() -> ModuleType:
    """Return the vendor's module.

    The PyPI package installs on a PC, too, and fails there with ImportError or OSError, so both count as absent.

    Raises:
        NoBoardLibrary: It is absent; says what was tried.
    """
    failures = []
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:
            failures.append(f"{name}: {error}")
    raise NoBoardLibrary(
        f"no BPU library here ({'; '.join(failures)})",
        hint="on the board: RDK OS brings it, or python3 -m pip install hobot-dnn-rdkx5; elsewhere: --device sim",
    )


class PyeasyDevice:
    """A device on the board.

    The library uses a model's output buffers again with every frame, so outputs are copied out of them, and a second
    frame at the same time gets a handle of its own: the model loaded once more.
    """

    kind = "bpu"

    def __init__(self, path: Path, *, module: ModuleType | None = None) -> None:
        self._dnn, self._path = module or import_pyeasy(), path
        first = self._load()
        self.inputs = tuple(_info(t) for t in first.inputs)
        self.outputs = tuple(_info(t) for t in first.outputs)
        self._free: queue.LifoQueue[Any] = queue.LifoQueue()
        self._free.put(first)
        self._handles = 1
        self._growing = threading.Lock()
        self._closed = False
        self._scheduling: dict[str, int] = {}  # as `forward` takes it; nothing unless it was set

    def infer(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Run one frame; inputs are bound by name and handed over in the model's order."""
        missing = [t.name for t in self.inputs if t.name not in inputs]
        if missing:
            raise ModelError(
                f"input {missing[0]!r} is missing, got {', '.join(inputs) or 'none'}", hint="name every input"
            )
        arrays = [board_input(inputs[t.name], t) for t in self.inputs]
        with self._handle() as model:
            try:
                outputs = model.forward(arrays[0] if len(arrays) == 1 else arrays, **self._scheduling)
                by_name = {t.name: t.buffer for t in outputs}
                return {t.name: valid_part(by_name[t.name], t.shape) for t in self.outputs}
            except Exception as error:
                raise DeviceError(
                    f"the BPU failed on this frame ({error})", hint="check the input's size; restart if it repeats"
                ) from error

    def schedule(self, priority: int, core: int | None) -> None:
        """Set the model's priority (0..255) and core (None: any) for all frames from now on.

        The library counts cores from 1; 0 is any of them.
        """
        self._scheduling = {"core_id": 0 if core is None else core + 1, "priority": priority}

    def close(self) -> None:
        """Drop the models; the library frees them with their last object."""
        self._closed = True
        while not self._free.empty():
            self._free.get_nowait()

    @contextmanager
    def _handle(self) -> Iterator[Any]:
        """Hold a loaded model that no other frame is using."""
        if self._closed:
            raise closed_error()
        model = self._take()
        try:
            yield model
        finally:
            if not self._closed:
                self._free.put(model)

    def _take(self) -> Any:
        try:
            return self._free.get_nowait()
        except queue.Empty:
            pass
        with self._growing:
            if self._handles < MAX_HANDLES:
                model = self._load()
                self._handles += 1
                return model
        return self._free.get()

    def _load(self) -> Any:
        try:
            return self._dnn.load(str(self._path))[0]
        except Exception as error:  # the library raises whatever its C++ side threw
            raise DeviceError(
                f"the BPU library cannot load {self._path} ({error})",
                hint="check with edgekit report that the model was compiled for this board's march and runtime",
            ) from error


def _info(tensor: Any) -> TensorInfo:
    """Describe a tensor; `validShape` is trusted, `layout` never: NHWC tensors are reported as NCHW in the field."""
    properties = tensor.properties
    valid = getattr(properties, "validShape", None)
    shape = tuple(int(side) for side in (properties.shape if valid is None else valid))
    scale = scale_tuple(getattr(properties, "scale_data", None))
    kind = str(getattr(properties, "tensor_type", "")).upper().rsplit(".", 1)[-1].removeprefix("HB_DNN_IMG_TYPE_")
    image: Literal[InputKind, ""] = "nv12" if kind.startswith("NV12") else TENSOR_KINDS.get(kind, "")
    dtype = "uint8" if image == "nv12" else dtype_name(properties.dtype)  # some say "NV12" for a dtype
    return TensorInfo(tensor.name, shape, dtype, scale, len(shape) - 1, image)
