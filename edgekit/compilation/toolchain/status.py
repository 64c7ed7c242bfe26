"""What of the toolchain is here: every location where it may be, with versions and size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgekit.compilation.toolchain.find import (
    FINDERS,
    KINDS,
    SIMULATOR_COMMANDS,
    Toolchain,
    private_folder,
)
from edgekit.compilation.toolchain.install import folder_bytes, read_record
from edgekit.errors import ToolchainError


@dataclass(frozen=True, slots=True)
class InstallLocation:
    """One location: `detail` says the versions and where, or why it cannot be used."""

    kind: str
    usable: bool
    detail: str
    versions: Mapping[str, str] = field(default_factory=dict)
    simulator: bool = False


@dataclass(frozen=True, slots=True)
class ToolchainStatus:
    """All locations in the order in which they are used."""

    locations: tuple[InstallLocation, ...]

    @property
    def usable(self) -> InstallLocation | None:
        """The location that edgekit compile would take."""
        return next((location for location in self.locations if location.usable), None)

    @property
    def summary(self) -> str:
        """One sentence: which toolchain edgekit compile takes."""
        if self.usable is None:
            return "edgekit compile takes: sim, the built-in one; edgekit toolchain install adds the vendor's"
        return f"edgekit compile takes: the one found as {self.usable.kind}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "usable": self.usable.kind if self.usable else None,
            "locations": [{**asdict(location), "versions": dict(location.versions)} for location in self.locations],
        }


def toolchain_status() -> ToolchainStatus:
    """Look at every location; takes some seconds, since commands are asked for their versions."""
    return ToolchainStatus(tuple(_inspect(kind) for kind in KINDS))


def _inspect(kind: str) -> InstallLocation:
    toolchain = FINDERS[kind]()
    if not isinstance(toolchain, Toolchain):
        return InstallLocation(kind, False, toolchain + _progress_of_install(kind))
    try:
        versions = toolchain.versions()
    except ToolchainError as error:
        return InstallLocation(kind, False, error.message)
    versions_text = ", ".join(f"{name} {version}" for name, version in versions.items())
    simulator = all(toolchain.has(name) for name in SIMULATOR_COMMANDS)
    size = f", {folder_bytes(private_folder()) / 1e9:.1f} GB" if kind == "private" else ""
    return InstallLocation(kind, True, f"{versions_text}; {toolchain.location}{size}", versions, simulator)


def _progress_of_install(kind: str) -> str:
    record = read_record()
    if kind != "private" or not record.steps or record.complete:
        return ""
    left = sum(step.download_mb for step in record.remaining)
    return f"; an install was begun, {left} MB are left: edgekit toolchain install goes on"
