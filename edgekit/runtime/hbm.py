"""The BPU through the board's `hbm_runtime` (X5 from RDK OS 3.5, S series)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import DeviceError
from edgekit.runtime.device import TensorInfo, Tensors, dtype_name, scale_tuple

MODULE = "hbm_runtime"


def import_hbm() -> ModuleType:
    """The vendor's module; raises DeviceError where it is absent or its libraries do not load."""
    try:
        return importlib.import_module(MODULE)
    except (ImportError, OSError) as error:
        raise DeviceError(
            f"no BPU library here ({MODULE}: {error})", hint="update to RDK OS 3.5 or later; elsewhere: --device sim"
        ) from error


class HbmDevice:
    """A Device on the board; scales come from `output_quants`."""

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
        self.inputs = self._infos("input")
        self.outputs = self._infos("output")

    def infer(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Runs one frame."""
        feed = {self._model: {k: np.ascontiguousarray(v) for k, v in inputs.items()}}
        try:
            outputs = self._runtime.run(feed)[self._model]
            return {t.name: np.array(outputs[t.name]) for t in self.outputs}
        except Exception as error:
            raise DeviceError(
                f"the BPU failed on this frame ({error})", hint="check the input's size; restart if it repeats"
            ) from error

    def close(self) -> None:
        """The library has no unload; the model goes with the object."""

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
