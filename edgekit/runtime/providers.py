"""Onnxruntime's execution providers as names of devices: what computes a float model, and what is here of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekit.errors import ConfigError, DeviceError
from edgekit.install_hints import extra_hint
from edgekit.runtime.free_memory import gpu_memory

SUFFIX = "ExecutionProvider"
DEFAULT_PROVIDER = "cpu"
NOT_COMPUTING = frozenset({"AzureExecutionProvider"})  # it calls services; everything else falls to the CPU


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: `name` as onnxruntime spells it, `package` that brings it.

    `behind` computes the nodes that it leaves over, before the CPU does. `serialized`: its sessions take one
    frame at once. `indexed`: it can be on one of several devices, numbered from 0.
    """

    name: str
    package: str = "a build of onnxruntime that has it"
    behind: tuple[str, ...] = ()
    serialized: bool = False
    indexed: bool = False


PROVIDERS: dict[str, Provider] = {
    "cpu": Provider("CPUExecutionProvider", "onnxruntime"),
    "cuda": Provider("CUDAExecutionProvider", "onnxruntime-gpu", indexed=True),
    "tensorrt": Provider(
        "TensorrtExecutionProvider", "onnxruntime-gpu", behind=("CUDAExecutionProvider",), indexed=True
    ),
    "directml": Provider("DmlExecutionProvider", "onnxruntime-directml", serialized=True, indexed=True),
    "openvino": Provider("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    "coreml": Provider("CoreMLExecutionProvider", "onnxruntime (on macOS)"),
    "migraphx": Provider("MIGraphXExecutionProvider", "onnxruntime-migraphx", indexed=True),
    "rocm": Provider("ROCMExecutionProvider", "onnxruntime-rocm", indexed=True),
    "qnn": Provider("QNNExecutionProvider", "onnxruntime-qnn"),
    "cann": Provider("CANNExecutionProvider", "onnxruntime-cann", indexed=True),
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


def is_provider(device: str) -> bool:
    """Return whether a device names a provider: "cuda", "cuda:1", or by index alone "1"."""
    name, _, index = device.partition(":")
    return device.isdecimal() or (name in known_providers() and (":" not in device or index.isdecimal()))


def with_provider(device: str) -> str:
    """Return a device named by its index alone with its provider: "1" is "cuda:1"; others as they are.

    Args:
        device: Its name.

    Returns:
        The name with the first provider of this onnxruntime that has several devices.

    Raises:
        DeviceError: There is no such provider.
    """
    if not device.isdecimal():
        return device
    here = available_providers()
    name = next((name for name, provider in known_providers().items() if provider.indexed and name in here), None)
    if name is None:
        raise DeviceError(
            f"device {device!r} is not here: this onnxruntime has no provider with several devices, only "
            f"{', '.join(here) or 'none'}",
            hint="install onnxruntime-gpu in place of the onnxruntime that is here, or use --device cpu",
        )
    return f"{name}:{device}"


def device_index(device: str) -> int | None:
    """Return the index that a device's name ends with, such as 1 of "cuda:1"; None without one."""
    _, _, index = device.partition(":")
    return int(index) if index.isdecimal() else None


def choose_provider() -> tuple[str, str]:
    """Choose what runs a float model that no device was named for: the GPU with the most free memory, else the CPU.

    Returns:
        The device and a note that says why; "" where only the CPU is there.
    """
    if "cuda" not in available_providers():
        return DEFAULT_PROVIDER, ""
    gpus = gpu_memory()
    if not gpus:
        return DEFAULT_PROVIDER, "auto took cpu: nvidia-smi does not say how much memory of cuda is free"
    best = max(gpus, key=lambda gpu: (gpu.free_mib, -gpu.index))
    free = ", ".join(f"cuda:{gpu.index} {gpu.free_mib / 1024:.1f} of {gpu.total_mib / 1024:.1f} GiB" for gpu in gpus)
    return f"cuda:{best.index}", f"auto took cuda:{best.index}, which has the most free memory ({free})"


def require_provider(device: str) -> Provider:
    """Return the provider of a device.

    Args:
        device: Its name, with an index or without.

    Returns:
        The provider.

    Raises:
        ConfigError: None has that name, or it has no devices to number.
        DeviceError: It is not available in this onnxruntime.
    """
    known = known_providers()
    device, separator, index = with_provider(device).partition(":")
    if device not in known:
        raise ConfigError(
            f"{device!r} is no execution provider, expected one of {', '.join(known)}", hint="use cpu, or --device auto"
        )
    if separator and not (known[device].indexed and index.isdecimal()):
        numbered = ", ".join(name for name, provider in known.items() if provider.indexed)
        raise ConfigError(
            f"device {device + separator + index!r} has an index, expected {device!r} alone, or a number behind one of "
            f"{numbered}",
            hint="write it as cuda:0",
        )
    here = import_onnxruntime().get_available_providers()
    if known[device].name not in here:
        raise DeviceError(
            f"device {device!r} is not here: this onnxruntime has no {known[device].name}, expected one of "
            f"{', '.join(available_providers())}",
            hint=f"install {known[device].package} in place of the onnxruntime that is here, or choose another device",
        )
    return known[device]
