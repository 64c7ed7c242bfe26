"""The result of a calibration: its files, the images or samples chosen, warnings and notes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.calibration.checks import Warned
from edgekit.calibration.select import Selection
from edgekit.spec import ModelSpec

__all__ = ["CalibrationSet"]


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """The files of the work folder, the images or samples chosen, warnings and notes.

    `reused`: the folder had the finished set of the same call already. `samples`: the names of those chosen for a
    model that takes other things than one image; `selection` then only counts them.
    """

    folder: Path
    model_path: Path
    yaml_path: Path
    manifest_path: Path
    data_dir: Path
    spec: ModelSpec
    source_kind: str
    selection: Selection
    warnings: tuple[Warned, ...]
    notes: tuple[str, ...]
    reused: bool
    samples: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the images or samples that were chosen."""
        return self.samples or tuple(item.image.name for item in self.selection.chosen)
