"""The board's `hbm_runtime` API on the simulated device, so that a board sample runs unchanged on a PC.

    from edgekit.sim import hbm_runtime
    runtime = hbm_runtime.HB_HBMRuntime("model.bin")

A script that says `import hbm_runtime` runs as it is after `shadow_hbm_runtime()`, or with
`python -m edgekit.sim.hbm_runtime SCRIPT [ARGUMENTS]`. Names, shapes, dtypes and scales are those that the board's
library gives for the same build; the integers are exact, the time they take says nothing of a board.
"""

from __future__ import annotations

import enum
import runpy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ConfigError, ModelError
from edgekit.ops.nv12 import check_nv12
from edgekit.runtime.device import TensorInfo
from edgekit.sim.device import SimDevice
from edgekit.sim.pyeasy_dnn import open_beside

MAX_PRIORITY = 255
BPU_CORES = (0,)  # the X5 has one

Arrays = dict[str, np.ndarray]


class QuantType(enum.Enum):
    """How a tensor is quantized: not at all, or by scales along one axis."""

    NONE = 0
    SCALE = 1


class HbDataType(enum.Enum):
    """Element types in the library's spelling."""

    S8 = "int8"
    U8 = "uint8"
    S16 = "int16"
    S32 = "int32"
    F32 = "float32"


@dataclass(frozen=True, slots=True)
class QuantParams:
    """Scales of one tensor: (1,) or (C,) float32 along `axis`; zero points are 0 on this hardware."""

    scale: np.ndarray
    zero_point: np.ndarray
    quant_type: QuantType
    axis: int


@dataclass(slots=True)
class SchedParam:
    """What `set_scheduling_params` was told; it changes nothing on a simulated device."""

    priority: dict[str, int] = field(default_factory=dict)
    bpu_cores: dict[str, list[int]] = field(default_factory=dict)


class HB_HBMRuntime:
    """One or several loaded models; every property is a dict by model name, then by tensor name.

    Args:
        model_files: A path or a sequence of paths: simulated `.bin`, quantized graph, or a real `.bin` whose
            quantized graph lies beside it.

    Raises:
        ModelError: Where a file is no such model, or two models have one name.
    """

    def __init__(self, model_files: str | Path | Sequence[str | Path]) -> None:
        files = [model_files] if isinstance(model_files, str | Path) else list(model_files)
        if not files:
            raise ModelError("no model file was given, expected one or more", hint="name a .bin")
        self._devices: dict[str, SimDevice] = {}
        for file in map(Path, files):
            if file.stem in self._devices:
                raise ModelError(f"two models are called {file.stem!r}", hint="rename one of the files")
            self._devices[file.stem] = open_beside(file)
        self.sched_params = SchedParam({name: 0 for name in self._devices}, {n: [0] for n in self._devices})

    @property
    def model_names(self) -> list[str]:
        """Names of the loaded models."""
        return list(self._devices)

    @property
    def model_count(self) -> int:
        """How many models are loaded."""
        return len(self._devices)

    @property
    def input_names(self) -> dict[str, list[str]]:
        """Model -> names of its inputs."""
        return {model: [t.name for t in device.inputs] for model, device in self._devices.items()}

    @property
    def output_names(self) -> dict[str, list[str]]:
        """Model -> names of its outputs."""
        return {model: [t.name for t in device.outputs] for model, device in self._devices.items()}

    @property
    def input_shapes(self) -> dict[str, dict[str, list[int]]]:
        """Model -> input -> shape."""
        return {m: {t.name: list(t.shape) for t in d.inputs} for m, d in self._devices.items()}

    @property
    def output_shapes(self) -> dict[str, dict[str, list[int]]]:
        """Model -> output -> shape."""
        return {m: {t.name: list(t.shape) for t in d.outputs} for m, d in self._devices.items()}

    @property
    def input_dtypes(self) -> dict[str, dict[str, HbDataType]]:
        """Model -> input -> element type."""
        return {m: {t.name: HbDataType(t.dtype) for t in d.inputs} for m, d in self._devices.items()}

    @property
    def output_dtypes(self) -> dict[str, dict[str, HbDataType]]:
        """Model -> output -> element type."""
        return {m: {t.name: HbDataType(t.dtype) for t in d.outputs} for m, d in self._devices.items()}

    @property
    def input_quants(self) -> dict[str, dict[str, QuantParams]]:
        """Model -> input -> how it is quantized."""
        return {m: {t.name: _quant(t) for t in d.inputs} for m, d in self._devices.items()}

    @property
    def output_quants(self) -> dict[str, dict[str, QuantParams]]:
        """Model -> output -> how it is quantized."""
        return {m: {t.name: _quant(t) for t in d.outputs} for m, d in self._devices.items()}

    @property
    def input_strides(self) -> dict[str, dict[str, list[int]]]:
        """Model -> input -> bytes from one element of an axis to the next."""
        return {m: {t.name: _strides(t) for t in d.inputs} for m, d in self._devices.items()}

    @property
    def output_strides(self) -> dict[str, dict[str, list[int]]]:
        """Model -> output -> bytes from one element of an axis to the next."""
        return {m: {t.name: _strides(t) for t in d.outputs} for m, d in self._devices.items()}

    def set_scheduling_params(
        self, *, priority: Mapping[str, int] | None = None, bpu_cores: Mapping[str, Sequence[int]] | None = None
    ) -> None:
        """Check and keep priorities (0 to 255) and core lists by model name.

        Raises:
            ConfigError: Where a model is unknown, or a value is out of range.
        """
        for model, value in (priority or {}).items():
            self._known(model)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_PRIORITY:
                raise ConfigError(f"priority {value!r} of {model!r}, expected 0 to {MAX_PRIORITY}", hint="correct it")
            self.sched_params.priority[model] = value
        for model, cores in (bpu_cores or {}).items():
            self._known(model)
            if not list(cores) or any(core not in BPU_CORES for core in cores):
                raise ConfigError(f"bpu_cores {list(cores)} of {model!r}, expected [0]", hint="the X5 has one core")
            self.sched_params.bpu_cores[model] = list(cores)

    def run(
        self, inputs: np.ndarray | Mapping[str, Any], *, priority: Any = None, bpu_cores: Any = None
    ) -> dict[str, Arrays]:
        """Run one frame through one or several models.

        Args:
            inputs: An array (one model with one input), `{input: array}` (one model), or
                `{model: {input: array}}`. NV12 is one packed frame, or the two planes `{input}_y` (1, h, w, 1) and
                `{input}_uv` (1, h/2, w/2, 2), uint8.
            priority: As for `set_scheduling_params`.
            bpu_cores: As for `set_scheduling_params`.

        Returns:
            `{model: {output: array}}`, the arrays owned by the caller.

        Raises:
            ModelError: Where the form, a name or a size does not fit.
        """
        self.set_scheduling_params(priority=priority, bpu_cores=bpu_cores)
        feeds = self._by_model(inputs)
        return {model: self._devices[model].infer(self._feed(model, feed)) for model, feed in feeds.items()}

    def _by_model(self, inputs: np.ndarray | Mapping[str, Any]) -> Mapping[str, Mapping[str, np.ndarray]]:
        if isinstance(inputs, Mapping) and inputs and all(isinstance(v, Mapping) for v in inputs.values()):
            for model in inputs:
                self._known(model)
            return inputs
        if len(self._devices) != 1:
            raise ModelError(
                f"{len(self._devices)} models are loaded, expected {{model: {{input: array}}}}",
                hint=f"name the models: {', '.join(self._devices)}",
            )
        model, device = next(iter(self._devices.items()))
        if isinstance(inputs, Mapping):
            return {model: inputs}
        if len(device.inputs) != 1:
            raise ModelError(f"{model!r} has {len(device.inputs)} inputs, expected {{input: array}}", hint="name them")
        return {model: {device.inputs[0].name: np.asarray(inputs)}}

    def _feed(self, model: str, feed: Mapping[str, np.ndarray]) -> Arrays:
        device = self._devices[model]
        joined: Arrays = {}
        for info in device.inputs:
            planes = feed.get(f"{info.name}_y"), feed.get(f"{info.name}_uv")
            if info.name in feed:
                array = np.asarray(feed[info.name])
                same = array.size == int(np.prod(info.shape)) and device.input_kinds[info.name] != "nv12"
                joined[info.name] = array.reshape(info.shape) if same else array.reshape(-1)
            elif planes[0] is not None and planes[1] is not None and device.input_kinds[info.name] == "nv12":
                packed = np.concatenate([np.asarray(plane).reshape(-1) for plane in planes if plane is not None])
                joined[info.name] = check_nv12(packed, (info.shape[3], info.shape[2]))
            else:
                raise ModelError(f"input {info.name!r} of {model!r} is missing", hint=f"given: {', '.join(feed)}")
        return joined

    def _known(self, model: str) -> None:
        if model not in self._devices:
            raise ConfigError(f"model {model!r} is not loaded", hint=f"loaded: {', '.join(self._devices)}")


def shadow_hbm_runtime() -> None:
    """Make `import hbm_runtime` give this module in this process."""
    sys.modules["hbm_runtime"] = sys.modules[__name__]


def _quant(info: TensorInfo) -> QuantParams:
    scale = np.array(info.scale, np.float32)
    kind = QuantType.SCALE if info.scale else QuantType.NONE
    return QuantParams(scale, np.zeros(0, np.int32), kind, info.axis if info.scale else 0)


def _strides(info: TensorInfo) -> list[int]:
    item = np.dtype(info.dtype).itemsize
    return [item * int(np.prod(info.shape[axis + 1 :])) for axis in range(len(info.shape))]


def _main(arguments: Sequence[str]) -> None:
    from edgekit.sim import hbm_runtime  # by its own name: this one is called __main__

    hbm_runtime.shadow_hbm_runtime()
    sys.argv = list(arguments)
    sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: python -m edgekit.sim.hbm_runtime SCRIPT [ARGUMENTS]")
    _main(sys.argv[1:])
