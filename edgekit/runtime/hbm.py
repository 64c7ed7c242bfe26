"""The BPU through the board's `hbm_runtime` (X5 from RDK OS 3.5, S series)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import DeviceError, ModelError, NoBoardLibrary
from edgekit.ops.nv12 import check_nv12, nv12_planes
from edgekit.runtime.device import TensorInfo, Tensors, board_input, closed_error, dtype_name, scale_tuple

MODULE = "hbm_runtime"
Planes = tuple[TensorInfo, TensorInfo]  # luma (1, h, w, 1) and chroma (1, h/2, w/2, 2) of one NV12 image


def import_hbm() -> ModuleType:
    """Return the vendor's module; raises NoBoardLibrary if it is absent or its libraries do not load."""
    try:
        return importlib.import_module(MODULE)
    except (ImportError, OSError) as error:
        raise NoBoardLibrary(
            f"no BPU library here ({MODULE}: {error})", hint="update to RDK OS 3.5 or later; elsewhere: --device sim"
        ) from error


class HbmDevice:
    """A device on the board; scales come from `output_quants`. The library may be called from several threads.

    The S series takes NV12 as two inputs, luma and chroma. Both are one NV12 input here, as on the X5, named by what
    their names share; a packed frame is handed over as two views.
    """

    kind = "bpu"

    def __init__(self, path: Path, *, module: ModuleType | None = None) -> None:
        runtime = module or import_hbm()
        try:
            self._runtime = runtime.HB_HBMRuntime(str(path))
            self._model = self._runtime.model_names[0]
        except Exception as error:  # the library raises whatever its C++ side threw
            raise DeviceError(
                f"the BPU library cannot load {path} ({error})",
                hint="check with edgekit report that the model was compiled for this board's march and runtime",
            ) from error
        inputs = self._infos("input")
        self._planes = _nv12_pair(inputs)
        self.inputs = inputs if self._planes is None else (_packed(self._planes),)
        self.outputs = self._infos("output")

    def infer(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Run one frame; see `Device.infer`."""
        if self._runtime is None:
            raise closed_error()
        missing = [t.name for t in self.inputs if t.name not in inputs]
        if missing:
            raise ModelError(
                f"input {missing[0]!r} is missing, got {', '.join(inputs) or 'none'}", hint="name every input"
            )
        feed = {self._model: self._feed(inputs)}
        try:
            outputs = self._runtime.run(feed)[self._model]
            return {t.name: np.array(outputs[t.name]) for t in self.outputs}
        except Exception as error:
            raise DeviceError(
                f"the BPU failed on this frame ({error})", hint="check the input's size; restart if it repeats"
            ) from error

    def schedule(self, priority: int, core: int | None) -> None:
        """Set the model's priority (0..255) and core (None: any) for all frames from now on.

        Raises:
            DeviceError: The library refuses them.
        """
        if self._runtime is None:
            raise closed_error()
        cores = {} if core is None else {"bpu_cores": {self._model: [core]}}
        try:
            self._runtime.set_scheduling_params(priority={self._model: priority}, **cores)
        except Exception as error:
            raise DeviceError(
                f"the BPU library refuses priority {priority} and core {core} ({error})",
                hint="leave priority and core away, or use those that this board has",
            ) from error

    def close(self) -> None:
        """Drop the model: the library has no unload, it goes with the object."""
        self._runtime = None

    def _feed(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        if self._planes is None:
            return {t.name: board_input(inputs[t.name], t) for t in self.inputs}
        height, width = self.inputs[0].shape[2:]
        parts = nv12_planes(check_nv12(inputs[self.inputs[0].name], (width, height)), (width, height))
        return {t.name: part.reshape(t.shape) for t, part in zip(self._planes, parts, strict=True)}

    def _infos(self, side: str) -> tuple[TensorInfo, ...]:
        def of(what: str) -> Mapping[str, Any]:
            return dict(getattr(self._runtime, f"{side}_{what}")[self._model])

        shapes, dtypes, quants = of("shapes"), of("dtypes"), of("quants")
        return tuple(
            TensorInfo(
                name,
                tuple(int(side) for side in shapes[name]),
                dtype_name(dtypes[name]),
                scale_tuple(getattr(quants.get(name), "scale", None)),
                int(getattr(quants.get(name), "axis", 3)),
            )
            for name in getattr(self._runtime, f"{side}_names")[self._model]
        )


def _nv12_pair(inputs: tuple[TensorInfo, ...]) -> Planes | None:
    """Return luma and chroma, in whatever order, if these are the model's two inputs."""
    if len(inputs) != 2 or any(len(t.shape) != 4 for t in inputs):
        return None
    luma, chroma = sorted(inputs, key=lambda t: t.shape[3])
    _, height, width, _ = luma.shape
    fits = luma.shape == (1, height, width, 1) and chroma.shape == (1, height // 2, width // 2, 2)
    return (luma, chroma) if fits and height % 2 == 0 and width % 2 == 0 else None


def _packed(planes: Planes) -> TensorInfo:
    luma, chroma = planes
    shared = 0
    while luma.name[shared : shared + 1] and luma.name[: shared + 1] == chroma.name[: shared + 1]:
        shared += 1
    name = luma.name[:shared].rstrip("_./-") or luma.name
    return TensorInfo(name, (1, 3, luma.shape[1], luma.shape[2]), "uint8", kind="nv12")
