"""Where the head of a stock export is: its last convolutions, and the rows that the export makes of them.

No node is known by name or number. Walking back from the outputs, everything up to a convolution is decoding
(reshape, concat, softmax, sigmoid, arithmetic); the convolutions ancestors first are the head. The expectation over DFL
bins is a convolution, too, and is told by its weights 0, 1, 2, ...
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from edgekit.errors import ModelError
from edgekit.graph.onnx_graph import PRODUCTS, GraphIndex, reachable, tensor_shapes
from edgekit.graph.walk import nearest_ancestors

SUPPRESSION_OPS = ("NonMaxSuppression", "NonZero")  # of these, the ones that leave as many rows as they find
SELECTION_OPS = ("TopK", "NonMaxSuppression", "ArgMax", "NonZero")  # behind them, rows are chosen, not made
NOT_YOLO_HINT = (
    "give a stock Ultralytics export, or name the head tensors: edgekit cut --outputs box_8=NAME,...; "
    "for another CNN: --task classify, or raw"
)


@dataclass(frozen=True, slots=True)
class HeadMap:
    """One head convolution's output: its tensor, its true shape (1, c, h, w) and its stride."""

    tensor: str
    shape: tuple[int, ...]
    stride: int


@dataclass(frozen=True, slots=True)
class Branch:
    """Head maps that end in the same rows.

    `rows` is the tensor (1, c, A) or (1, A, c) of decoded rows, before any selection; `selection` names the
    ops by which the export itself picks its best rows (TopK, NonMaxSuppression).
    """

    maps: tuple[HeadMap, ...]
    rows: str
    rows_shape: tuple[int, ...]
    selection: tuple[str, ...]

    @property
    def cells(self) -> int:
        """Number of cells over all strides."""
        return sum(m.shape[2] * m.shape[3] for m in self.maps)

    @property
    def suppresses(self) -> bool:
        """Whether the export drops rows by their overlap (nms=True), so that the head is a one-to-many one."""
        return any(op in SUPPRESSION_OPS for op in self.selection)


def find_branches(index: GraphIndex, size_wh: tuple[int, int]) -> tuple[Branch, ...]:
    """The detection branches of a stock graph, in the order of its outputs; raises ModelError where there is none."""
    row_outputs = [name for name in index.output_names if _rank(index, name) != 4]
    tensors = sorted({t for name in row_outputs for t in last_convolutions(index, name)}, key=index.order.__getitem__)
    if not tensors:
        raise no_yolo("no convolution behind the outputs " + ", ".join(index.output_names))
    reach = {tensor: reachable(index, tensor) for tensor in tensors}
    candidates = _row_candidates(index, reach)
    shapes = tensor_shapes(index.model, [*tensors, *candidates], (1, 3, size_wh[1], size_wh[0]))
    maps = {tensor: _head_map(tensor, shapes[tensor], size_wh) for tensor in tensors}
    branches = _group(index, maps, reach, {c: shapes[c] for c in candidates})
    if not branches:
        raise no_yolo("no tensor of rows (1, 4 + classes, cells) that the last convolutions end in")
    return branches


def proto_output(index: GraphIndex) -> str:
    """The graph output that holds the mask prototypes (1, c, h, w); empty where there is none."""
    names = [name for name in index.output_names if _rank(index, name) == 4]
    if len(names) > 1:
        raise no_yolo(f"{len(names)} outputs of rank 4 ({', '.join(names)}), expected at most one: the prototypes")
    return names[0] if names else ""


def is_expectation(index: GraphIndex, node: onnx.NodeProto) -> bool:
    """Whether a convolution is the expectation over DFL bins: one output channel, weights 0, 1, 2, ..."""
    weight = index.constants.get(node.input[1])
    if weight is None or weight.shape[0] != 1 or weight.shape[2:] != (1, 1):
        return False
    return bool(np.array_equal(weight.ravel(), np.arange(weight.size)) and weight.size > 1)


def is_head_convolution(index: GraphIndex, node: onnx.NodeProto) -> bool:
    """Whether a node is a convolution and no expectation over DFL bins."""
    return node.op_type == "Conv" and not is_expectation(index, node)


def last_learned(index: GraphIndex) -> list[onnx.NodeProto]:
    """The nodes with weights, convolutions and products of matrices, that are ancestors first from all outputs."""

    def stops(_: str, node: onnx.NodeProto) -> bool:
        return node.op_type in PRODUCTS or is_head_convolution(index, node)

    return list(nearest_ancestors(index, index.output_names, stops).values())


def last_convolutions(index: GraphIndex, output: str) -> set[str]:
    """The convolutions that are ancestors first on the way back from an output."""
    return set(nearest_ancestors(index, [output], lambda _, node: is_head_convolution(index, node)))


def _row_candidates(index: GraphIndex, reach: dict[str, set[str]]) -> list[str]:
    """Tensors that depend on a head and on no selection, in graph order."""
    selected: set[str] = set()
    for node in index.model.graph.node:
        if node.op_type in SELECTION_OPS:
            for name in node.output:
                selected |= reachable(index, name)
    tail = set().union(*reach.values()) - selected - set(reach)
    return sorted(tail, key=index.order.__getitem__)


def _group(
    index: GraphIndex,
    maps: dict[str, HeadMap],
    reach: dict[str, set[str]],
    shapes: dict[str, tuple[int, ...]],
) -> tuple[Branch, ...]:
    """One branch per largest set of heads that meet: their rows are the last tensor that all their paths cross."""
    rows = {name: shape for name, shape in shapes.items() if len(shape) == 3 and shape[0] == 1}
    sets = {name: frozenset(t for t in maps if name in reach[t]) for name in rows}
    largest = {s for s in sets.values() if not any(s < larger for larger in sets.values())}
    branches = []
    for heads in largest:
        members = [name for name in rows if sets[name] == heads and _rows_fit(rows[name], [maps[t] for t in heads])]
        best = next((name for name in reversed(members) if _all_paths_cross(index, name, heads)), None)
        if best is None:
            continue
        readers = {n.op_type for t in reachable(index, best) for n in index.consumers.get(t, ())}
        ordered = sorted((maps[t] for t in heads), key=lambda m: (m.stride, index.order[m.tensor]))
        branches.append(Branch(tuple(ordered), best, rows[best], tuple(sorted(readers & set(SELECTION_OPS)))))
    return tuple(sorted(branches, key=lambda b: index.order[b.rows]))


def _all_paths_cross(index: GraphIndex, tensor: str, heads: frozenset[str]) -> bool:
    """Whether every way from the heads to the graph's outputs leads through `tensor`."""
    ancestors = nearest_ancestors(index, index.output_names, lambda name, _: name == tensor or name in heads)
    return not heads.intersection(ancestors)


def _rows_fit(shape: tuple[int, ...], maps: list[HeadMap]) -> bool:
    """Whether one side of (1, a, b) counts the cells of the grids, once or (YOLOv5) once per anchor."""
    cells = sum({m.stride: m.shape[2] * m.shape[3] for m in maps}.values())
    return any(side % cells == 0 for side in shape[1:])


def _head_map(tensor: str, shape: tuple[int, ...], size_wh: tuple[int, int]) -> HeadMap:
    width, height = size_wh
    if len(shape) != 4 or shape[0] != 1:
        raise no_yolo(f"the last convolution {tensor!r} gives {shape}, expected (1, channels, h, w)")
    stride = width // shape[3]
    if stride * shape[3] != width or stride * shape[2] != height:
        raise no_yolo(f"the last convolution {tensor!r} gives {shape}, which is no grid of the input {height}x{width}")
    return HeadMap(tensor, shape, stride)


def _rank(index: GraphIndex, output: str) -> int:
    value = next(o for o in index.model.graph.output if o.name == output)
    return len(value.type.tensor_type.shape.dim)


def no_yolo(names: str) -> ModelError:
    """What was looked for and not found."""
    return ModelError(
        f"this ONNX does not look like a YOLO export: looked for box and class convolutions on one grid per stride "
        f"that end in one tensor of rows; found {names}",
        hint=NOT_YOLO_HINT,
    )
