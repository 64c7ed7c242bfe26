"""A candidate: everything that tuning may choose for a build, as plain values that a task can carry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from edgekit.ptq.calibrator import Calibrator

__all__ = ["LEARNED", "PLAIN", "ROUNDED", "Candidate"]

MAX = Calibrator("max")
LEARNED = "learned"  # how the names of float graphs begin whose weights were learned
ROUNDED = "rounded"  # how the names of float graphs begin whose weights lie on their int8 grids
PLAIN = "plain"  # the float graph as `edgekit cut` wrote it


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one candidate build is made with.

    Attributes:
        calibration_set: Name of a calibration set of the workspace.
        calibrator: How thresholds follow from the set.
        graph: Name of a float graph of the workspace.
        clip_ranges: (tensor, bound): outputs of convolutions held within -bound .. bound. A tensor of `int16` needs
            none: it has steps enough.
        int16: Float tensors that are computed in 16 bits.
    """

    calibration_set: str
    calibrator: Calibrator = MAX
    graph: str = PLAIN
    clip_ranges: tuple[tuple[str, float], ...] = ()
    int16: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Twelve hex digits that stand for all of it; names of files."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:12]

    def with_clip_range(self, tensor: str, bound: float | None) -> Candidate:
        """Return the candidate with another bound on one tensor, or with none."""
        bounds = {name: value for name, value in self.clip_ranges if name != tensor}
        if bound is not None:
            bounds[tensor] = bound
        return replace(self, clip_ranges=tuple(sorted(bounds.items())))

    def with_int16(self, tensors: Collection[str]) -> Candidate:
        """Return the candidate with `tensors` in 16 bits, too."""
        return replace(self, int16=tuple(sorted({*self.int16, *tensors})))

    def without_int16(self, tensors: Collection[str]) -> Candidate:
        """Return the candidate with `tensors` in 8 bits, or as accumulators."""
        return replace(self, int16=tuple(name for name in self.int16 if name not in tensors))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: its identity."""
        return {
            "calibration_set": self.calibration_set,
            "calibrator": self.calibrator.to_json(),
            "graph": self.graph,
            "clip_ranges": dict(self.clip_ranges),
            "int16": list(self.int16),
        }
