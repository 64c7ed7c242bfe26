"""What a calibration set may have done to its float graph: declared here, done by `edgekit.folding.refine`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edgekit.progress import Progress, silent

if TYPE_CHECKING:
    import onnx


class GraphRefinement(Protocol):
    """A change of the cut model that needs the calibration files."""

    @property
    def changes(self) -> bool:
        """Whether anything is done."""

    def to_json(self) -> dict[str, Any]:
        """Return what a manifest says of it; empty where nothing is done."""

    def notes(self) -> tuple[str, ...]:
        """Return what has to be said of it."""

    def apply(self, yaml: Path, *, progress: Progress = silent) -> onnx.ModelProto:
        """Return the cut model of a calibration folder, changed; the same tensors and outputs as before.

        Args:
            yaml: The folder's yaml.
            progress: Called per calibration image.
        """
