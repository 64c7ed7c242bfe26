"""What each head map means, found by experiment: change it, and see which rows and columns of the output change.

The tail of a stock export, from the head maps to its rows, is small and runs in milliseconds. Names and channel
counts decide nothing here, so a model of 64 classes is no more ambiguous than one of 80.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.errors import ModelError
from edgekit.export.head_location import NOT_YOLO_HINT, Branch, HeadMap
from edgekit.graph.onnx_graph import extract, graph_inputs, open_session
from edgekit.spec import Role

Maps = Mapping[str, npt.NDArray[np.float32]]
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tail:
    """The decoding that follows the head maps: `rows(maps)` gives (A, columns) float32, a row per candidate."""

    branch: Branch
    rows: Callable[[Maps], Rows]

    def zeros(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return all-zero head maps by tensor, NCHW."""
        return {m.tensor: np.zeros(m.shape, np.float32) for m in self.branch.maps}

    def noise(self, seed: int, spread: float = 2.0) -> dict[str, npt.NDArray[np.float32]]:
        """Return normally distributed head maps by tensor, NCHW."""
        rng = np.random.default_rng(seed)
        return {m.tensor: rng.normal(0, spread, m.shape).astype(np.float32) for m in self.branch.maps}


@dataclass(frozen=True, slots=True)
class HeadRole:
    """A head map, its role, the columns of the rows that it makes, and where its cells' rows begin."""

    map: HeadMap
    role: Role
    columns: tuple[int, ...]
    first_row: int


def open_tail(model: onnx.ModelProto, branch: Branch) -> Tail:
    """The tail of `branch` as a function."""
    piece = extract(model, {m.tensor: m.shape for m in branch.maps}, [branch.rows])
    known = {m.tensor for m in branch.maps}
    if foreign := [i.name for i in graph_inputs(piece) if i.name not in known]:
        raise _unclear(f"the rows {branch.rows!r} also depend on {', '.join(foreign)}, not on head maps alone")
    run = open_session(piece)
    cells = sum({m.stride: m.shape[2] * m.shape[3] for m in branch.maps}.values())
    turned = branch.rows_shape[2] % cells == 0 and branch.rows_shape[2] >= branch.rows_shape[1]

    def rows(maps: Maps) -> Rows:
        values = run(maps)[branch.rows][0]
        return np.ascontiguousarray(values.T if turned or values.shape[0] % cells else values)

    return Tail(branch, rows)


def find_roles(tail: Tail, *, has_proto: bool) -> tuple[HeadRole, ...]:
    """The role of every head map; raises ModelError where the experiment gives no clear answer."""
    base_maps, other_maps = tail.noise(0), tail.noise(1)
    base = tail.rows(base_maps)
    effects = []
    for head in tail.branch.maps:
        changed = base != tail.rows({**base_maps, head.tensor: other_maps[head.tensor]})
        columns = tuple(int(c) for c in np.flatnonzero(changed.any(axis=0)))
        touched = np.flatnonzero(changed.any(axis=1))
        cells = head.shape[2] * head.shape[3]
        if not len(touched) or len(touched) != touched[-1] - touched[0] + 1 or len(touched) % cells:
            raise _unclear(f"{head.tensor!r} makes {len(touched)} rows, expected one block for its {cells} cells")
        effects.append((head, columns, int(touched[0])))
    num_classes = _class_channels(effects, base.shape[1])
    return tuple(
        HeadRole(head, _role(head, columns, num_classes, base.shape[1], has_proto), columns, first)
        for head, columns, first in effects
    )


def _class_channels(effects: list[tuple[HeadMap, tuple[int, ...], int]], width: int) -> int:
    """The number of classes: of the maps that make a block of columns beginning at 4, one column per channel."""
    counts = {h.shape[1] for h, c, _ in effects if c and c == tuple(range(4, 4 + h.shape[1]))}
    if len(counts) > 1:
        raise _unclear(f"class maps of {sorted(counts)} channels, expected the same number on every stride")
    return counts.pop() if counts else 0


def _role(head: HeadMap, columns: tuple[int, ...], num_classes: int, width: int, has_proto: bool) -> Role:
    channels = head.shape[1]
    if width > 5 and columns == tuple(range(width)) and channels % width == 0:
        return "object"
    if columns == (0, 1, 2, 3) and channels % 4 == 0:
        return "box"
    if columns == tuple(range(4, 4 + num_classes)) and channels == num_classes:
        return "class"
    if channels == 1 and columns == (0, 1, width - 1):
        return "angle"
    if columns == tuple(range(4 + num_classes, width)) and channels == len(columns):
        return "mask" if has_proto else "keypoint"
    raise _unclear(
        f"{head.tensor!r} with {channels} channels makes the columns {columns[:8]} of {width}, which is no box, "
        "class or other map of a YOLO head"
    )


def _unclear(effects: str) -> ModelError:
    return ModelError(f"the head cannot be read: {effects}", hint=NOT_YOLO_HINT)
