"""Attention over the positions of a map, computed head by head with the channels last.

Exports of YOLO11, YOLO26 and YOLOv10 view one convolution's channels as (heads, channels, positions), split that into
queries, keys and values, and view the result as a map again. The BPU keeps channels last: each of these views moves
every number. Compiled at O3 yolo11n takes 4.66 ms with them and 3.70 without. Here each head's queries, keys and values
come from convolutions of their own (rows of the same weights), so that positions only have to be counted in one row,
which moves nothing; keys alone are transposed. The factor of the scores goes into the queries' weights. Queries, keys
and values of each head also get int8 steps of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edgekit.export.attention_match import MapAttention, match_attention
from edgekit.graph.declared_quantization import DeclaredQuantization
from edgekit.graph.onnx_graph import (
    GraphIndex,
    attributes,
    declared_shape,
    drop_unread,
    graph_inputs,
    index_graph,
    tensor_shapes,
)

__all__ = ["Origin", "SplitAttention", "split_attention_heads"]

CHANNELS = 1  # of a map (1, c, h, w)
TO_ROWS = [0, 2, 3, 1]  # (1, c, 1, n) -> (1, 1, n, c): one row per position
TO_COLUMNS = [0, 2, 1, 3]  # (1, c, 1, n) -> (1, 1, c, n)
FROM_ROWS = [0, 3, 1, 2]  # (1, 1, n, c) -> (1, c, 1, n)
Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a new tensor was part of: `name` times `factor`, and which output channels of it, where it is a weight."""

    name: str
    factor: float = 1.0
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SplitAttention:
    """A graph whose attention is computed head by head.

    Attributes:
        model: The graph.
        names: The Softmax nodes of the attention that was split.
        origins: New tensor or initializer -> what it was part of.
    """

    model: onnx.ModelProto
    names: tuple[str, ...] = ()
    origins: Mapping[str, Origin] | None = None

    def declared(self, declared: DeclaredQuantization) -> DeclaredQuantization:
        """Return a declaration that also covers the new tensors, each as what it was part of."""
        thresholds, scales = dict(declared.thresholds), dict(declared.weight_scales)
        for name, origin in (self.origins or {}).items():
            factor = abs(origin.factor)
            if not origin.rows and origin.name in declared.thresholds:
                thresholds[name] = declared.thresholds[origin.name] * factor
            per_channel = declared.weight_scales.get(origin.name, ()) if origin.rows else ()
            if len(per_channel) == 1:
                scales[name] = (per_channel[0] * factor,)
            elif len(per_channel) > max(origin.rows, default=0):
                scales[name] = tuple(per_channel[row] * factor for row in origin.rows)
        return DeclaredQuantization(thresholds, scales)


def split_attention_heads(model: onnx.ModelProto) -> SplitAttention:
    """Write attention over the positions of a map head by head.

    Args:
        model: A graph of fixed size at opset 11; it is not changed.

    Returns:
        A copy with what was split, or the model itself where nothing was.
    """
    index = index_graph(model)
    softmaxes = [node for node in model.graph.node if node.op_type == "Softmax"]
    matched = [attention for node in softmaxes if (attention := match_attention(index, node)) is not None]
    shapes = _shapes(model, matched)
    heads = {a.convolution.output[0]: h for a in matched if (h := _Heads.of(a, index, shapes)) is not None}
    if not heads:
        return SplitAttention(model)
    replaced = {name for h in heads.values() for name in h.attention.replaced}
    split = onnx.ModelProto()
    split.CopyFrom(model)
    del split.graph.node[:]
    origins: dict[str, Origin] = {}
    for node in model.graph.node:
        if node.output and node.output[0] in heads:
            writer = heads[node.output[0]].written()
            split.graph.node.extend(writer.nodes)
            split.graph.initializer.extend(writer.constants)
            origins |= writer.origins
        elif not replaced.intersection(node.output):
            split.graph.node.append(node)
    drop_unread(split)
    names = tuple(h.attention.softmax.name or h.attention.softmax.output[0] for h in heads.values())
    return SplitAttention(split, names, origins)


def _shapes(model: onnx.ModelProto, matched: Iterable[MapAttention]) -> dict[str, tuple[int, ...]]:
    """Shapes of views and maps, by tensor."""
    names = [n for a in matched for n in (a.convolution.output[0], a.view, a.result, a.values_map) if n]
    return tensor_shapes(model, dict.fromkeys(names), declared_shape(graph_inputs(model)[0])) if names else {}


@dataclass(frozen=True, slots=True)
class _Heads:
    """One attention as it is written: its numbers, and the side lengths of its map."""

    attention: MapAttention
    weight: Floats
    bias: Floats
    heads: int
    sides: tuple[int, int]

    @classmethod
    def of(cls, attention: MapAttention, index: GraphIndex, shapes: Mapping[str, tuple[int, ...]]) -> _Heads | None:
        """None where the convolution or a shape is another than expected, or a new name is taken."""
        node, per_head = attention.convolution, sum(attention.parts)
        weight = index.constants.get(node.input[1])
        bias = index.constants.get(node.input[2]) if len(node.input) > 2 else np.zeros(1, np.float32)
        made = shapes[node.output[0]]
        if weight is None or bias is None or weight.shape[2:] != (1, 1) or len(made) != 4 or made[0] != 1:
            return None
        if attributes(node).get("group", 1) != 1 or min(attention.parts) < 1:
            return None
        heads, sides = made[CHANNELS] // per_head, (made[2], made[3])
        result = (1, heads * attention.parts[2], *sides)
        maps = [shapes[name] for name in (attention.result, attention.values_map) if name]
        if shapes[attention.view] != (1, heads, per_head, made[2] * made[3]) or any(m != result for m in maps):
            return None
        biases = np.broadcast_to(bias.astype(np.float32).reshape(-1), made[CHANNELS])
        written = cls(attention, weight.astype(np.float32), biases, heads, sides)
        existing = index.producers.keys() | index.constants.keys() | {value.name for value in index.model.graph.input}
        return None if (written.written().names() & existing) - attention.replaced else written

    def written(self) -> _Writer:
        """The nodes that give the result, and the values as a map, with their constants."""
        writer = _Writer(self)
        queries, keys, values = self.attention.parts
        starts = np.arange(self.heads)[:, None] * (queries + keys + values) + queries + keys
        values_map = self.attention.values_map or f"{writer.stem}_values"
        writer.convolution(values_map, (starts + np.arange(values)).reshape(-1))
        of_head = [f"{values_map}_{i}" for i in range(self.heads)] if self.heads > 1 else [values_map]
        if self.heads > 1:
            writer.add("Split", [values_map], *of_head, axis=CHANNELS, split=[values] * self.heads)
        result = self.attention.result
        results = [f"{result}_{i}" for i in range(self.heads)] if self.heads > 1 else [result]
        for number in range(self.heads):
            self._head(writer, number, of_head[number], results[number])
        if self.heads > 1:
            writer.add("Concat", results, result, axis=CHANNELS)
        return writer

    def _head(self, writer: _Writer, number: int, values: str, result: str) -> None:
        """One head's result as a map."""
        queries, keys, channels = self.attention.parts
        softmax, product = self.attention.softmax, self.attention.product
        first, positions = number * (queries + keys + channels), self.sides[0] * self.sides[1]
        query, key = f"{writer.stem}_queries_{number}", f"{writer.stem}_keys_{number}"
        writer.convolution(query, first + np.arange(queries), self.attention.factor)
        writer.convolution(key, first + queries + np.arange(keys))
        query = writer.row(query, (1, queries, 1, positions), TO_ROWS)
        key = writer.row(key, (1, keys, 1, positions), TO_COLUMNS)
        values = writer.row(values, (1, channels, 1, positions), TO_ROWS)
        scores = writer.add("MatMul", [query, key], f"{softmax.input[0]}_{number}", origin=softmax.input[0])
        shares = writer.add("Softmax", [scores], f"{softmax.output[0]}_{number}", origin=softmax.output[0], axis=-1)
        rows = writer.add("MatMul", [shares, values], f"{product}_{number}", origin=product)
        writer.reshape(
            writer.add("Transpose", [rows], f"{rows}_row", perm=FROM_ROWS), result, (1, channels, *self.sides)
        )


class _Writer:
    """Nodes and constants in the place of a convolution."""

    def __init__(self, heads: _Heads) -> None:
        self._heads = heads
        self._node = heads.attention.convolution
        self.stem = str(self._node.output[0])
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.origins: dict[str, Origin] = {}

    def names(self) -> set[str]:
        """Return the names of all tensors and constants."""
        return {name for node in self.nodes for name in node.output} | {c.name for c in self.constants}

    def add(self, op: str, inputs: list[str], *outputs: str, origin: str = "", **values: Any) -> str:
        """Append a node, named as its first output; return that."""
        self.nodes.append(helper.make_node(op, inputs, list(outputs), outputs[0], **values))
        if origin:
            self.origins[outputs[0]] = Origin(origin)
        return outputs[0]

    def convolution(self, output: str, rows: npt.NDArray[np.int_], factor: float = 1.0) -> None:
        """Append a convolution with some rows of the weights, times a factor."""
        scale = np.float32(factor)
        weight = self._constant(f"{output}.weight", self._heads.weight[rows] * scale)
        bias = self._constant(f"{output}.bias", self._heads.bias[rows] * scale)
        self.add("Conv", [self._node.input[0], weight, bias], output)
        self.nodes[-1].attribute.extend(self._node.attribute)
        self.origins[output] = Origin(self.stem, factor)
        self.origins[weight] = Origin(self._node.input[1], factor, tuple(rows.tolist()))

    def row(self, name: str, shape: tuple[int, ...], perm: list[int]) -> str:
        """A map with its positions in one row, its axes permuted."""
        return self.add("Transpose", [self.reshape(name, f"{name}_row", shape)], f"{name}_turned", perm=perm)

    def reshape(self, name: str, output: str, shape: tuple[int, ...]) -> str:
        """Append a Reshape to a constant shape; return its output."""
        return self.add("Reshape", [name, self._constant(f"{output}_shape", np.array(shape, np.int64))], output)

    def _constant(self, name: str, value: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name
