"""Onnxruntime's execution providers as names of devices: what computes a float model, and what is here of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekit.errors import ConfigError, DeviceError
from edgekit.install_hints import extra_hint

SUFFIX = "ExecutionProvider"
DEFAULT_PROVIDER = "cpu"
NOT_COMPUTING = frozenset({"AzureExecutionProvider"})  # it calls services; everything else falls to the CPU


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: `name` as onnxruntime spells it, `package` that brings it.

    `behind` computes the nodes that it leaves over, before the CPU does. `serialized`: its sessions take one
    frame at once.
    """

    name: str
    package: str = "a build of onnxruntime that has it"
    behind: tuple[str, ...] = ()
    serialized: bool = False


PROVIDERS: dict[str, Provider] = {
    "cpu": Provider("CPUExecutionProvider", "onnxruntime"),
    "cuda": Provider("CUDAExecutionProvider", "onnxruntime-gpu"),
    "tensorrt": Provider("TensorrtExecutionProvider", "onnxruntime-gpu", behind=("CUDAExecutionProvider",)),
    "directml": Provider("DmlExecutionProvider", "onnxruntime-directml", serialized=True),
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
    """Return the module; raises DeviceError if it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError(
            "onnxruntime is not installed, expected it for float ONNX models", hint=extra_hint("host")
        ) from error
    return onnxruntime


def known_providers() -> dict[str, Provider]:
    """Return every provider by the name of its device: the usual ones, and further ones of this onnxruntime."""
    try:
        here = import_onnxruntime().get_available_providers()
    except DeviceError:
        return PROVIDERS
    named = {provider.name for provider in PROVIDERS.values()} | NOT_COMPUTING
    others = {name.removesuffix(SUFFIX).lower(): Provider(name) for name in here if name not in named}
    return {**PROVIDERS, **others}


def available_providers() -> tuple[str, ...]:
    """Return the devices whose provider this onnxruntime has, the CPU first; none without onnxruntime."""
    try:
        here = import_onnxruntime().get_available_providers()
    except DeviceError:
        return ()
    return tuple(device for device, provider in known_providers().items() if provider.name in here)


def require_provider(device: str) -> Provider:
    """Return the provider of a device.

    Args:
        device: Its name.

    Returns:
        The provider.

    Raises:
        ConfigError: None has that name.
        DeviceError: It is not available in this onnxruntime.
    """
    known = known_providers()
    if device not in known:
        raise ConfigError(
            f"{device!r} is no execution provider, expected one of {', '.join(known)}", hint="use cpu, or --device auto"
        )
    here = import_onnxruntime().get_available_providers()
    if known[device].name not in here:
        raise DeviceError(
            f"device {device!r} is not here: this onnxruntime has no {known[device].name}, expected one of "
            f"{', '.join(available_providers())}",
            hint=f"install {known[device].package} in place of the onnxruntime that is here, or choose another device",
        )
    return known[device]
