"""Onnxruntime's execution providers as names of devices: what computes a float model, and what is here of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekit.errors import ConfigError, DeviceError

SUFFIX = "ExecutionProvider"
DEFAULT_PROVIDER = "cpu"
NOT_COMPUTING = frozenset({"AzureExecutionProvider"})  # it calls services; everything else falls to the CPU
HOST_HINT = 'pip install "edgekit[host]"'


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: `name` as onnxruntime spells it, `package` that brings it.

    `behind` computes the nodes that it leaves over, before the CPU does. `one_at_a_time`: its sessions take one
    frame at once.
    """

    name: str
    package: str = "a build of onnxruntime that has it"
    behind: tuple[str, ...] = ()
    one_at_a_time: bool = False


PROVIDERS: dict[str, Provider] = {
    "cpu": Provider("CPUExecutionProvider", "onnxruntime"),
    "cuda": Provider("CUDAExecutionProvider", "onnxruntime-gpu"),
    "tensorrt": Provider("TensorrtExecutionProvider", "onnxruntime-gpu", behind=("CUDAExecutionProvider",)),
    "directml": Provider("DmlExecutionProvider", "onnxruntime-directml", one_at_a_time=True),
    "openvino": Provider("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    "coreml": Provider("CoreMLExecutionProvider", "onnxruntime (on macOS)"),
    "migraphx": Provider("MIGraphXExecutionProvider", "onnxruntime-migraphx"),
    "rocm": Provider("ROCMExecutionProvider", "onnxruntime-rocm"),
    "qnn": Provider("QNNExecutionProvider", "onnxruntime-qnn"),
    "cann": Provider("CANNExecutionProvider", "onnxruntime-cann"),
    "xnnpack": Provider("XnnpackExecutionProvider"),
    "dnnl": Provider("DnnlExecutionProvider"),
    "webgpu": Provider("WebGpuExecutionProvider", "onnxruntime-webgpu"),
}


def import_onnxruntime() -> Any:
    """The module; raises DeviceError where it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError("onnxruntime is not installed, expected it for float ONNX models", hint=HOST_HINT) from error
    return onnxruntime


def known_providers() -> dict[str, Provider]:
    """Every provider by the name of its device: the usual ones, and what this onnxruntime has beside them."""
    try:
        here = import_onnxruntime().get_available_providers()
    except DeviceError:
        return PROVIDERS
    named = {provider.name for provider in PROVIDERS.values()} | NOT_COMPUTING
    others = {name.removesuffix(SUFFIX).lower(): Provider(name) for name in here if name not in named}
    return {**PROVIDERS, **others}


def providers_here() -> tuple[str, ...]:
    """The devices whose provider this onnxruntime has, the CPU first; none without onnxruntime."""
    try:
        here = import_onnxruntime().get_available_providers()
    except DeviceError:
        return ()
    return tuple(device for device, provider in known_providers().items() if provider.name in here)


def require_provider(device: str) -> Provider:
    """The provider of `device`; raises ConfigError where none has that name, DeviceError where it is not here."""
    known = known_providers()
    if device not in known:
        raise ConfigError(
            f"{device!r} is no execution provider, expected one of {', '.join(known)}", hint="use cpu, or --device auto"
        )
    here = import_onnxruntime().get_available_providers()
    if known[device].name not in here:
        raise DeviceError(
            f"device {device!r} is not here: this onnxruntime has no {known[device].name}, expected one of "
            f"{', '.join(providers_here())}",
            hint=f"install {known[device].package} in place of the onnxruntime that is here, or choose another device",
        )
    return known[device]
