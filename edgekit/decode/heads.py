"""Raw head tensors: bound by name to what the sidecar says, read as float rows only where asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.memoize import once_per_object
from edgekit.errors import ModelError
from edgekit.spec import HEAD_DTYPES, HeadSpec, ModelSpec

DTYPES = {name: np.dtype(name) for name in HEAD_DTYPES}
RawHeads = Mapping[str, npt.NDArray[Any]]  # output name -> integers or floats as the device gave them


@dataclass(frozen=True, slots=True)
class HeadRows:
    """One head as a matrix: a row per grid cell, a column per channel, still in the device's own numbers."""

    head: HeadSpec
    raw: npt.NDArray[Any]

    @property
    def grid_hw(self) -> tuple[int, int]:
        return self.head.shape[1], self.head.shape[2]

    def floats(self, cells: npt.NDArray[np.intp] | None = None) -> npt.NDArray[np.float32]:
        """The rows of these cells, or all, in the float model's unit: (n, channels) float32 = raw * scale."""
        return self.to_floats(self.raw if cells is None else self.raw.take(cells, axis=0))

    def to_floats(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Rows of this head that were already taken, in the float model's unit."""
        if not self.head.scale:
            return np.asarray(rows, np.float32)
        return rows.astype(np.float32) * self.scale()

    def scale(self) -> npt.NDArray[np.float32]:
        return scale_array(self.head)


@once_per_object
def scale_array(head: HeadSpec) -> npt.NDArray[np.float32]:
    """The scales of a head as an array that nobody may write to: one for all frames."""
    array = np.asarray(head.scale, np.float32)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True)
class BoundHeads:
    """The heads of one frame, checked, by what they mean."""

    raw: RawHeads
    spec: ModelSpec

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides that have classes, small to large."""
        return class_strides(self.spec)

    def of(self, role: str, stride: int | None = None) -> HeadRows:
        """The head of this role; raises ModelError where the sidecar does not have exactly one."""
        return _rows(self.raw, head_of(self.spec, role, stride))


@once_per_object
def head_of(spec: ModelSpec, role: str, stride: int | None) -> HeadSpec:
    """`spec.head(role, stride)`, looked for once."""
    return spec.head(role, stride)


@once_per_object
def class_strides(spec: ModelSpec) -> tuple[int, ...]:
    """The strides that have classes, small to large."""
    return tuple(sorted(head.stride for head in spec.outputs if head.role == "class" and head.stride))


def bind_roles(heads: RawHeads, spec: ModelSpec) -> BoundHeads:
    """Every output of the sidecar by role and stride; raises ModelError as `bind_heads`, and where a role is twice."""
    for head in spec.outputs:
        _require_fitting(heads, head)
    _require_roles_once(spec)
    return BoundHeads(heads, spec)


def bind_heads(heads: RawHeads, spec: ModelSpec) -> dict[str, HeadRows]:
    """Every output of the sidecar by name; raises ModelError where one is missing or of another shape or dtype."""
    for head in spec.outputs:
        _require_fitting(heads, head)
    return {head.name: _rows(heads, head) for head in spec.outputs}


def _rows(heads: RawHeads, head: HeadSpec) -> HeadRows:
    return HeadRows(head, heads[head.name].reshape(-1, head.shape[-1]))


@once_per_object
def _require_roles_once(spec: ModelSpec) -> None:
    for head in spec.outputs:
        spec.head(head.role, head.stride)  # raises for one that is twice


def _require_fitting(heads: RawHeads, head: HeadSpec) -> None:
    raw = heads.get(head.name)
    if raw is None:
        raise ModelError(
            f"the device gave no output {head.name!r}, only {', '.join(heads) or 'none'}",
            hint="the sidecar belongs to another model; compile again or put the right .json beside the model",
        )
    if raw.shape != head.shape or raw.dtype != DTYPES[head.dtype]:
        raise ModelError(
            f"output {head.name!r} is {tuple(raw.shape)} {raw.dtype}, expected {head.shape} {head.dtype}",
            hint="the sidecar belongs to another model; compile again or put the right .json beside the model",
        )
    if len(head.scale) > 1 and head.axis != len(head.shape) - 1:
        raise ModelError(
            f"output {head.name!r} has its scales along axis {head.axis}, expected the last one",
            hint="compile the model from heads that edgekit cut: they are NHWC",
        )
