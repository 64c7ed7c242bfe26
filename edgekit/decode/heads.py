"""Head tensors bound by name to what the sidecar says of them; read as floats only where a decoder needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError
from edgekit.spec import HeadSpec, ModelSpec, Role

Floats = npt.NDArray[np.float32]
RawHeads = Mapping[str, npt.NDArray[Any]]  # output name -> (1, h, w, c) integers or floats as the device gives them
OTHER_MODEL_HINT = "the sidecar belongs to another model; compile again or put the right .json beside the model"


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One output of a model, bound once for all frames.

    Attributes:
        spec: Name, role, shape and stride, as the sidecar says.
        dtype: Of the device's numbers.
        scale: (1,) or (channels,) float32, empty for float outputs: value = number * scale.
    """

    spec: HeadSpec
    dtype: np.dtype[Any]
    scale: Floats

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Rows and columns of grid cells."""
        return self.spec.shape[1], self.spec.shape[2]

    def rows(self, raw: RawHeads) -> npt.NDArray[Any]:
        """Return the output as a view (cells, channels), in the device's numbers."""
        return raw[self.spec.name].reshape(-1, self.spec.shape[-1])

    def floats(self, raw: RawHeads) -> Floats:
        """Return every row (cells, channels) in the float model's unit."""
        return self.to_floats(self.rows(raw))

    def to_floats(self, rows: npt.NDArray[Any]) -> Floats:
        """Convert rows (n, channels) of this output to the float model's unit: float32(number) * scale."""
        if not self.spec.scale:
            return np.asarray(rows, np.float32)
        return rows.astype(np.float32) * self.scale

    def check(self, raw: RawHeads) -> None:
        """Raise ModelError if the output is missing or has another shape or dtype."""
        array = raw.get(self.spec.name)
        if array is None:
            raise ModelError(
                f"the device gave no output {self.spec.name!r}, only {', '.join(raw) or 'none'}", hint=OTHER_MODEL_HINT
            )
        if array.shape != self.spec.shape or array.dtype != self.dtype:
            raise ModelError(
                f"output {self.spec.name!r} is {tuple(array.shape)} {array.dtype}, "
                f"expected {self.spec.shape} {self.spec.dtype}",
                hint=OTHER_MODEL_HINT,
            )


class Heads:
    """Every output of a model by role and stride."""

    def __init__(self, spec: ModelSpec) -> None:
        """Bind the outputs of `spec`; raises ModelError if scales lie along another axis than the channels."""
        self.spec = spec
        self._all = tuple(_bind(head) for head in spec.outputs)
        self._by_name = {head.spec.name: head for head in self._all}

    def get(self, role: Role, stride: int | None = None) -> Head:
        """Return the head of this role (and stride); raises ModelError if there is not exactly one."""
        return self._by_name[self.spec.head(role, stride).name]

    def named(self, name: str) -> Head:
        """Return the head of the output `name`, which the sidecar has."""
        return self._by_name[name]

    def check(self, raw: RawHeads) -> None:
        """Raise ModelError if an output of the device is missing or has another shape or dtype than the sidecar's."""
        for head in self._all:
            head.check(raw)


def _bind(spec: HeadSpec) -> Head:
    if len(spec.scale) > 1 and spec.axis != len(spec.shape) - 1:
        raise ModelError(
            f"output {spec.name!r} has its scales along axis {spec.axis}, expected the last one",
            hint="compile the model from heads that edgekit cut: they are NHWC",
        )
    return Head(spec, np.dtype(spec.dtype), np.asarray(spec.scale, np.float32))
