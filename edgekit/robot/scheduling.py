"""Priority and core of a model, where the board's library has them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from edgekit.runtime.device import Device

__all__ = ["SchedulingDevice", "set_scheduling"]


@runtime_checkable
class SchedulingDevice(Protocol):
    """A device whose library takes a priority and a core."""

    def schedule(self, priority: int, core: int | None) -> None:
        """Set them for all frames from now on."""
        ...


def set_scheduling(device: Device, priority: int, core: int | None) -> bool:
    """Set a model's priority (0..255) and core (None: any); False where its device knows neither."""
    if not isinstance(device, SchedulingDevice):
        return False
    device.schedule(priority, core)
    return True
