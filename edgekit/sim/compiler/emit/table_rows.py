"""What HzLut2Layer is made of: straight lines at both ends, six rows of interpolated entries between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

ROWS, ENTRIES = 6, 64
STEP = 1 << 8  # positions between two entries
LOW, HIGH = -(1 << 15), (1 << 15) - 1


@dataclass(frozen=True, slots=True)
class Lut2LayerTable:
    """The attributes of HzLut2Layer: `bound` has 8 entries (the last repeats), rows are `table` (6, 64).

    Segments 0 and 7 are straight lines below and above the bounds, 1 to 6 the rows.
    """

    bound: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    left_shift: np.ndarray
    right_shift: np.ndarray
    table: np.ndarray

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the HzLut2Layer node."""
        return {
            "rounding_method": "ROUND",
            "symmetry_mode": "NONE",
            "table_param": self.table.reshape(-1),
            "scale": self.scale,
            "bias": self.bias,
            "left_shift": self.left_shift,
            "right_shift": self.right_shift,
            "bound": self.bound,
        }
