"""Devices that other packages bring: the entry point group `edgekit.devices`.

    [project.entry-points."edgekit.devices"]
    my_npu = "my_package.device:open_my_device"

`open_my_device(path, spec, threads=0)` returns a `Device`; `edgekit run --device my_npu` then uses it. `spec` is the
sidecar beside the model, or None.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from edgekit.errors import DeviceError
from edgekit.runtime.board import assume_spec
from edgekit.runtime.device import Device
from edgekit.spec import ModelSpec, load_spec, sidecar_path

ENTRY_POINTS = "edgekit.devices"


def installed_devices() -> dict[str, EntryPoint]:
    """Return the registered devices by name, in a fixed order."""
    entries = sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: (entry.name, entry.value))
    return {entry.name: entry for entry in reversed(entries)}


def open_installed_device(entry: EntryPoint, path: Path, threads: int) -> tuple[ModelSpec, Device]:
    """Open a model on a device of another package.

    Args:
        entry: One of `installed_devices`.
        path: The model.
        threads: How many of this computer's threads compute one frame; 0 leaves it to the device.

    Returns:
        The model's sidecar, or what was assumed of its outputs without one, and the device.

    Raises:
        DeviceError: The package cannot be imported.
    """
    try:
        open_device = entry.load()
    except (ImportError, AttributeError) as error:
        raise DeviceError(
            f"device {entry.name!r} cannot be loaded ({entry.value}: {error}), expected an importable function",
            hint="install what it needs, or remove the package that registers it",
        ) from error
    sidecar = sidecar_path(path)
    spec = load_spec(sidecar) if sidecar.is_file() else None
    device: Device = open_device(path, spec, threads=threads)
    return spec or assume_spec(device, location=str(path)), device
