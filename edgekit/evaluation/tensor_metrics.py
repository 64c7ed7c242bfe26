"""How near two streams of arrays are: cosine, mean squared error, signal to noise, largest difference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MetricSums", "TensorMetrics"]


@dataclass(frozen=True, slots=True)
class TensorMetrics:
    """Metrics of one tensor over all images.

    Attributes:
        cosine: Cosine similarity, -1..1.
        mse: Mean squared error.
        sqnr_db: Signal to quantization noise ratio in decibel.
        max_abs: Largest absolute difference.
        fitted: Whether integers have no recorded scale, so that the best-fitting one was taken.
        unequal: Differing elements if both are integers, else None.
        elements: Number of elements.
    """

    cosine: float
    mse: float
    sqnr_db: float
    max_abs: float
    fitted: bool
    unequal: int | None
    elements: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; what is not finite as None."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in values.items()}


class MetricSums:
    """Running sums of a pair of tensors; memory does not grow with the images."""

    def __init__(self) -> None:
        self._aa = self._bb = self._ab = self._max_abs = 0.0
        self._elements = 0
        self._unequal: int | None = 0
        self._fit = False

    def add(self, a: npt.NDArray[Any], b: npt.NDArray[Any], *, fit: bool) -> None:
        """Add one image's tensors of equal shape; `fit`: their scales differ by a factor that nobody recorded."""
        integers = np.issubdtype(a.dtype, np.integer) and np.issubdtype(b.dtype, np.integer)
        if not integers:
            self._unequal = None
        elif self._unequal is not None:
            self._unequal += int(np.count_nonzero(a != b))
        x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
        aa, bb, ab = float(x @ x), float(y @ y), float(x @ y)
        factor = ab / bb if fit and bb else 1.0
        self._max_abs = max(self._max_abs, float(np.abs(x - factor * y).max(initial=0)))
        self._aa, self._bb, self._ab = self._aa + aa, self._bb + bb, self._ab + ab
        self._elements += x.size
        self._fit = fit

    def merge(self, sums: MetricSums) -> None:
        """Add what was added to other sums of the same pair of tensors."""
        self._aa, self._bb, self._ab = self._aa + sums._aa, self._bb + sums._bb, self._ab + sums._ab
        self._max_abs = max(self._max_abs, sums._max_abs)
        self._elements += sums._elements
        both = self._unequal is not None and sums._unequal is not None
        self._unequal = (self._unequal or 0) + (sums._unequal or 0) if both else None
        self._fit = sums._fit

    def metrics(self) -> TensorMetrics:
        """Return the metrics of what was added."""
        length = math.sqrt(self._aa * self._bb)
        equal_zeros = self._aa == self._bb == 0
        cosine = 1.0 if equal_zeros else (self._ab / length if length else 0.0)
        factor = self._ab / self._bb if self._fit and self._bb else 1.0
        noise = max(0.0, self._aa - 2 * factor * self._ab + factor * factor * self._bb)
        if noise <= 1e-14 * self._aa:  # what is left is the rounding of the sums
            noise = 0.0
        return TensorMetrics(
            cosine=min(1.0, cosine),
            mse=noise / max(1, self._elements),
            sqnr_db=math.inf if noise == 0 else 10 * math.log10(max(self._aa, 1e-300) / noise),
            max_abs=self._max_abs,
            fitted=self._fit,
            unequal=self._unequal,
            elements=self._elements,
        )
