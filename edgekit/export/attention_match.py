"""Attention over the positions of a map as exports of YOLO11, YOLO26 and YOLOv10 hold it: found around its Softmax."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from edgekit.export.softmax_rewrite import SWAPPED, attention_product
from edgekit.graph.onnx_graph import GraphIndex, attributes

__all__ = ["MapAttention", "match_attention"]

PARTS_AXIS = 2  # of the view (1, heads, channels, positions): queries, keys and values


@dataclass(frozen=True, slots=True)
class MapAttention:
    """One attention, as exported.

    Attributes:
        convolution: Queries, keys and values of all heads at once.
        view: The tensor (1, heads, channels, positions).
        softmax: Over the keys.
        product: The shares times the values.
        parts: Channels of queries, keys and values in a head.
        factor: Of the scores.
        values_map: The values as a map again, or "" where nothing reads them so.
        result: The result as a map.
        replaced: Outputs of all nodes that this stands for.
    """

    convolution: onnx.NodeProto
    view: str
    softmax: onnx.NodeProto
    product: str
    parts: tuple[int, int, int]
    factor: float
    values_map: str
    result: str
    replaced: frozenset[str]


def match_attention(index: GraphIndex, softmax: onnx.NodeProto) -> MapAttention | None:
    """Find the attention around a Softmax.

    Args:
        index: The graph.
        softmax: One of its nodes.

    Returns:
        The attention; None where it is of another kind or something else reads its inside.
    """
    product = attention_product(index.model, softmax)
    inside = _Inside(index)
    scores = inside.scores(softmax.input[0])
    over_keys = attributes(softmax).get("axis") in (-1, len(SWAPPED) - 1)
    if product is None or not product.queries_last or scores is None or not over_keys:
        return None
    split = index.producers.get(scores.queries)
    result = inside.only_reader(product.node.output[0], "Reshape")
    if split is None or result is None or list(split.output) != [scores.queries, scores.keys, product.values]:
        return None
    view = inside.made(split.input[0], "Reshape") if split.op_type == "Split" else None
    convolution = inside.made(view.input[0], "Conv") if view is not None else None
    values_map = inside.values_map(product.values, product.node)
    sizes = attributes(split).get("split", [])
    if convolution is None or values_map is None or len(sizes) != 3 or attributes(split).get("axis", 0) != PARTS_AXIS:
        return None
    behind = {scores.queries, *product.node.input, product.node.output[0], result.output[0], values_map} - {""}
    return MapAttention(
        convolution=convolution,
        view=split.input[0],
        softmax=softmax,
        product=product.node.output[0],
        parts=(sizes[0], sizes[1], sizes[2]),
        factor=scores.factor,
        values_map=values_map,
        result=result.output[0],
        replaced=frozenset(inside.steps | behind | {softmax.output[0]}),
    )


@dataclass(frozen=True, slots=True)
class _Scores:
    """Factor times the product of queries, transposed, and keys."""

    queries: str
    keys: str
    factor: float


class _Inside:
    """Steps back from the scores, as long as nothing else reads them."""

    def __init__(self, index: GraphIndex) -> None:
        self._index = index
        self._ends = set(index.output_names)
        self.steps: set[str] = set()

    def scores(self, name: str) -> _Scores | None:
        """What the scores `name` are made of; None where it is something else."""
        scores, factor = self.unscaled(name)
        matmul = self.made(scores, "MatMul")
        rows, rows_factor = self.unscaled(matmul.input[0]) if matmul is not None else ("", 1.0)
        transpose = self.made(rows, "Transpose")
        if matmul is None or transpose is None or attributes(transpose).get("perm") != SWAPPED:
            return None
        queries, queries_factor = self.unscaled(transpose.input[0])
        keys, keys_factor = self.unscaled(matmul.input[1])
        if not self.read_once(queries) or not self.read_once(keys):
            return None
        return _Scores(queries, keys, factor * rows_factor * queries_factor * keys_factor)

    def read_once(self, name: str) -> bool:
        """Whether a tensor has one reader and is no output."""
        return len(self._index.consumers.get(name, ())) == 1 and name not in self._ends

    def made(self, name: str, op: str) -> onnx.NodeProto | None:
        """The node of that kind that makes `name` for one reader."""
        node = self._index.producers.get(name)
        if node is None or node.op_type != op or not self.read_once(name):
            return None
        self.steps.add(name)
        return node

    def unscaled(self, name: str) -> tuple[str, float]:
        """The tensor before a product with a number or a quotient by one, and the factor; 1 where there is none."""
        node = self._index.producers.get(name)
        if node is None or node.op_type not in ("Mul", "Div") or not self.read_once(name):
            return name, 1.0
        number = self._index.constants.get(node.input[1])
        if number is None or number.size != 1 or not np.isfinite(number).all() or not number.any():
            return name, 1.0
        self.steps.add(name)
        factor = float(number.reshape(-1)[0])
        return node.input[0], factor if node.op_type == "Mul" else 1 / factor

    def only_reader(self, name: str, op: str) -> onnx.NodeProto | None:
        """The one node that reads `name`, if it is of that kind."""
        node = self._index.consumers[name][0] if self.read_once(name) else None
        return node if node is not None and node.op_type == op else None

    def values_map(self, values: str, product: onnx.NodeProto) -> str | None:
        """The Reshape of the values beside their product: its result, "" without one, None for another reader."""
        others = [node for node in self._index.consumers.get(values, ()) if node is not product]
        if values in self._ends or len(others) > 1 or any(node.op_type != "Reshape" for node in others):
            return None
        return others[0].output[0] if others else ""
