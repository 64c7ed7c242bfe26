"""What of the toolchain is here: every place where it may be, with versions and size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgekit.compile.toolchain.find import (
    FINDERS,
    KINDS,
    SIMULATOR_COMMANDS,
    Toolchain,
    private_folder,
)
from edgekit.compile.toolchain.install import folder_bytes, read_record
from edgekit.errors import ToolchainError


@dataclass(frozen=True, slots=True)
class Place:
    """One place: `detail` says the versions and where, or why it cannot be used."""

    kind: str
    usable: bool
    detail: str
    versions: Mapping[str, str] = field(default_factory=dict)
    simulator: bool = False


@dataclass(frozen=True, slots=True)
class ToolchainStatus:
    """All places in the order in which they are used."""

    places: tuple[Place, ...]

    @property
    def usable(self) -> Place | None:
        """The place that edgekit compile would take."""
        return next((place for place in self.places if place.usable), None)

    @property
    def summary(self) -> str:
        if self.usable is None:
            return "edgekit compile takes: sim, the built-in one; edgekit toolchain install adds the vendor's"
        return f"edgekit compile takes: the one found as {self.usable.kind}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "edgekit": "toolchain",
            "version": 1,
            "usable": self.usable.kind if self.usable else None,
            "places": [{**asdict(place), "versions": dict(place.versions)} for place in self.places],
        }


def toolchain_status() -> ToolchainStatus:
    """Looks at every place; takes some seconds, since commands are asked for their versions."""
    return ToolchainStatus(tuple(_place(kind) for kind in KINDS))


def _place(kind: str) -> Place:
    found = FINDERS[kind]()
    if not isinstance(found, Toolchain):
        return Place(kind, False, found + _progress_of_install(kind))
    try:
        versions = found.versions()
    except ToolchainError as error:
        return Place(kind, False, error.message)
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    simulator = all(found.has(name) for name in SIMULATOR_COMMANDS)
    size = f", {folder_bytes(private_folder()) / 1e9:.1f} GB" if kind == "private" else ""
    return Place(kind, True, f"{said}; {found.place}{size}", versions, simulator)


def _progress_of_install(kind: str) -> str:
    record = read_record()
    if kind != "private" or not record.steps or record.complete:
        return ""
    left = sum(step.download_mb for step in record.remaining)
    return f"; an install was begun, {left} MB are left: edgekit toolchain install goes on"
