"""Which device runs which file: decided by what the file is, never by a silent fallback."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.artifacts import SIM_MAGIC, quantized_path
from edgekit.bundle import open_bundle
from edgekit.errors import ConfigError, DeviceError, EdgekitError, ModelError, NoBoardLibrary, UnfitError
from edgekit.install_hints import extra_hint
from edgekit.runtime.board import assume_spec, fit_to_device, import_board_library, open_board_device
from edgekit.runtime.device import Device
from edgekit.runtime.installed_devices import installed_devices, open_installed_device
from edgekit.runtime.providers import (
    DEFAULT_PROVIDER,
    available_providers,
    choose_provider,
    is_provider,
    known_providers,
    require_provider,
)
from edgekit.spec import ModelSpec, load_spec, sidecar_path

DEVICES = ("auto", "bpu", "sim", "hbdk-sim")  # and, for float models, those of runtime.providers

# Functions outside the board ring, by name, so that a board without their packages never imports them.
HOST_FUNCTIONS = {
    "describe": "edgekit.compilation.describe:describe_model",
    "is-quantized": "edgekit.compilation.describe:is_quantized",
    "as-built": "edgekit.binary.bin_sidecar:spec_as_built",
    "float": "edgekit.export.float_device:open_float_model",
    "sim": "edgekit.sim.device:open_sim_device",
    "hbdk-sim": "edgekit.sim.hbdk:open_hbdk_sim",
    "toolchain": "edgekit.compilation.toolchain.find:find_toolchain",
}


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A model that is ready to run: what it is, on what, and what was assumed on the way."""

    spec: ModelSpec
    device: Device
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """On what a model is to be opened; `threads` is 0 if the device chooses."""

    device: str = "auto"
    threads: int = 0


def open_model(path: str | Path, *, device: str = "auto", threads: int = 0) -> OpenModel:
    """Open a `.bin`, quantized graph, float ONNX or bundle.

    Args:
        path: The model file or bundle.
        device: One of `known_devices()`.
        threads: How many of this computer's threads compute one frame, on onnxruntime's CPU and the simulated device; 0
            leaves it to them, and a board has no use for it.

    Returns:
        The model on its device.

    Raises:
        ModelError: The file is none of these.
        UnfitError: The device is not for such a file.
        DeviceError: It is not available.
        ConfigError: No device has that name.
    """
    path = Path(path)
    entry = None if device in DEVICES else installed_devices().get(device)
    if device not in DEVICES and entry is None and not is_provider(device):  # only this loads onnxruntime
        raise _unknown(device)
    if not path.exists():
        raise ModelError(f"{path} does not exist, expected a model", hint="check the path of --model")
    if path.is_dir() or path.name.endswith((".tar.gz", ".tgz")):
        return open_model(open_bundle(path).model_path, device=device, threads=threads)
    if entry is not None:
        spec, opened = open_installed_device(entry, path, threads)
        return OpenModel(spec, opened, spec.notes)
    return OPENERS[_kind(path)](path, DeviceRequest(device, threads))


def known_devices() -> tuple[str, ...]:
    """List every name that `open_model` takes.

    Returns:
        The devices, whether they are on this machine or not.
    """
    return (*DEVICES, *known_providers(), *(name for name in installed_devices() if name not in DEVICES))


def require_device(device: str) -> None:
    """Raise ConfigError if no device has that name, an error of the device if it is not on this machine."""
    if device in PRESENCE:
        PRESENCE[device]()
    elif device in installed_devices():
        return  # whether it is there is for its package to say when a model is opened
    elif is_provider(device):
        require_provider(device)
    else:
        raise _unknown(device)


def available_devices() -> tuple[str, ...]:
    """List the devices that are on this machine.

    Returns:
        Their names, besides "auto".
    """

    def is_here(device: str) -> bool:
        try:
            require_device(device)
        except EdgekitError:
            return False
        return True

    return (*(name for name in DEVICES if name != "auto" and is_here(name)), *available_providers())


def _unknown(device: str) -> ConfigError:
    return ConfigError(
        f"device {device!r} is unknown, expected one of {', '.join(known_devices())}", hint="use --device auto"
    )


def _require_board_library() -> None:
    try:
        import_board_library()
    except NoBoardLibrary as error:
        raise NoBoardLibrary(f"device 'bpu' is not here: {error.message}", hint=error.hint) from error


def _require_instruction_simulator() -> None:
    toolchain = host_function("toolchain")()  # its own error says what was looked for
    if not toolchain.has("hbdk-sim"):
        raise DeviceError(
            f"device 'hbdk-sim' is not here: the toolchain at {toolchain.location} has no such command",
            hint="edgekit toolchain install makes one that has; --device sim needs none",
        )


def _always_available() -> None:
    """Accept: the file decides when it is opened, and the simulated device comes with edgekit."""


PRESENCE: dict[str, Callable[[], None]] = {
    "auto": _always_available,
    "sim": _always_available,
    "bpu": _require_board_library,
    "hbdk-sim": _require_instruction_simulator,
}


def host_function(name: str) -> Callable[..., Any]:
    """Return a function of the host side; raises DeviceError naming the package that is missing."""
    module, function = HOST_FUNCTIONS[name].split(":")
    try:
        return getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise DeviceError(
            f"{error.name} is not installed, expected it for {name!r}", hint=extra_hint("host")
        ) from error


def _kind(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(64)
    if head.startswith(SIM_MAGIC):
        return "sim bin"
    if path.suffix == ".onnx":
        return "onnx"
    if path.suffix in (".bin", ".hbm") and head:
        return "real bin"
    raise ModelError(
        f"{path} is no model (suffix {path.suffix!r}, {len(head)} bytes read), expected .bin, .hbm, .onnx or a bundle",
        hint="give the .bin of edgekit compile or the stock ONNX",
    )


def _open_sim_bin(path: Path, request: DeviceRequest) -> OpenModel:
    if request.device not in ("auto", "sim"):
        raise UnfitError(
            f"{path} is a simulated .bin, which {request.device!r} cannot run",
            hint="compile with the real toolchain (edgekit compile --toolchain hb_mapper), or use --device sim",
        )
    spec = host_function("describe")(path)
    return _on_sim(path, spec, request)


def _on_sim(path: Path, spec: ModelSpec, request: DeviceRequest, notes: tuple[str, ...] = ()) -> OpenModel:
    """Open `path` on the simulated device, with its notes on speed and exactness."""
    options = {"threads": request.threads} if request.threads else {}
    device = host_function("sim")(path, spec, **options)
    return OpenModel(spec, device, (*notes, *spec.notes, *device.notes))


def _open_onnx(path: Path, request: DeviceRequest) -> OpenModel:
    device = request.device
    if host_function("is-quantized")(path):
        spec: ModelSpec = host_function("describe")(path)
        if device not in ("auto", "sim"):
            hint = "give the .bin instead" if device in DEVICES else "use --device sim, or give the float model"
            raise UnfitError(f"{path} is a quantized graph, which {device!r} cannot run", hint=hint)
        return _on_sim(path, spec, request)
    if device != "auto" and device in DEVICES:
        raise UnfitError(
            f"{path} is a float model, which {device!r} cannot run (onnxruntime can)",
            hint="leave --device away, or run edgekit calibrate and edgekit compile first",
        )
    if sidecar_path(path).exists():
        host_function("describe")(path)  # refuses one that contradicts the file
    provider, note = choose_provider() if device == "auto" else (device, "")
    try:
        float_spec, float_device = host_function("float")(path, provider=provider, threads=request.threads)
    except DeviceError as error:
        if device != "auto" or provider == DEFAULT_PROVIDER:
            raise
        note = f"auto took cpu, since {provider} cannot be used: {error.message}"
        float_spec, float_device = host_function("float")(path, provider=DEFAULT_PROVIDER, threads=request.threads)
    return OpenModel(float_spec, float_device, (*((note,) if note else ()), *float_spec.notes, *float_device.notes))


def _open_real_bin(path: Path, request: DeviceRequest) -> OpenModel:
    device = request.device
    if device not in DEVICES:
        raise UnfitError(
            f"{path} is a compiled .bin, which {device!r} cannot run (it runs float models)",
            hint="use --device auto, or give the float ONNX",
        )
    if device == "hbdk-sim":
        spec = _spec_of_bin(path)
        return OpenModel(spec, host_function("hbdk-sim")(path, spec), spec.notes)
    if device == "sim":
        return _open_quantized_of(path, request, ())
    spec_here = load_spec(sidecar_path(path)) if sidecar_path(path).exists() else None
    board, failures = open_board_device(path, spec_here)
    if board is not None:
        return _on_board(path, spec_here, board)
    if device == "bpu":
        raise DeviceError(
            f"no board runs {path} here: {'; '.join(failures)}", hint="run it on the board, or --device sim"
        )
    note = "no board here, so the model's quantized graph runs on the simulated device"
    return _open_quantized_of(path, request, (note,))


def _on_board(path: Path, spec: ModelSpec | None, board: Device) -> OpenModel:
    """Describe a model on the board by its sidecar or, without one, by what the library reports."""
    spec = fit_to_device(spec, board, location=str(path)) if spec else assume_spec(board, location=str(path))
    return OpenModel(spec, board, spec.notes)


def _spec_of_bin(path: Path) -> ModelSpec:
    sidecar = sidecar_path(path)
    if sidecar.exists():
        return load_spec(sidecar)
    quantized = quantized_beside(path)
    if quantized is None:
        raise ModelError(
            f"{path} has no sidecar {sidecar.name}, which says what its outputs mean",
            hint="put the sidecar that edgekit compile wrote beside the model",
        )
    spec: ModelSpec = host_function("describe")(quantized)
    built: ModelSpec = host_function("as-built")(spec, path)  # which Dequantize nodes are left is for the .bin to say
    return built


def _open_quantized_of(path: Path, request: DeviceRequest, notes: tuple[str, ...]) -> OpenModel:
    quantized = quantized_beside(path)
    if quantized is None:
        absent = quantized_path(path)
        raise DeviceError(
            f"{path} needs a board, and neither a BPU library nor its quantized graph {absent.name} is here",
            hint=f"put {absent.name} beside the model, or run it on the board",
        )
    spec: ModelSpec = host_function("describe")(quantized)
    used = f"runs {quantized.name}"
    return _on_sim(quantized, spec, request, (*notes, used))


def quantized_beside(path: Path) -> Path | None:
    """Return the quantized graph of a real `.bin`: named by its sidecar, else by the toolchain's naming."""
    sidecar = sidecar_path(path)
    names = [quantized_path(path).name]
    if sidecar.exists():
        named = load_spec(sidecar).files.get("quantized")
        names = [named.name] if named else names
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)


OPENERS: dict[str, Callable[[Path, DeviceRequest], OpenModel]] = {
    "sim bin": _open_sim_bin,
    "onnx": _open_onnx,
    "real bin": _open_real_bin,
}
