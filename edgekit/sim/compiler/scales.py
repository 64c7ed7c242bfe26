"""Which tensors share a scale, and from which tensor's histogram each scale comes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field

import numpy as np

from edgekit.bpu import INT_MAX
from edgekit.graph.float_graph import FloatGraph, FloatNode, unsupported

# They only move integers.
SAME_SCALE_OPS = ("Slice", "MaxPool", "ReduceMax", "Resize", "Reshape", "Transpose", "Flatten")
INT8_OPS = ("Resize", "Upsample", "ConvTranspose")  # the BPU has them for int8 only, their results included


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """`source[t]`: the tensor whose threshold decides the scale of t; `factor[t]` is multiplied onto that scale.

    `bits[t]` is the width of t's integers. Tensors that stay at accumulator width have no entry: heads, and those of
    `joined`, convolutions' outputs that join a sum (`joined[t]`: the name of that Add) in the accumulator.
    """

    source: Mapping[str, str]
    factor: Mapping[str, float]
    bits: Mapping[str, int]
    joined: Mapping[str, str] = field(default_factory=dict)

    @property
    def observed(self) -> tuple[str, ...]:
        """The tensors that calibration has to look at, each once."""
        return tuple(dict.fromkeys(self.source.values()))

    def scales(self, thresholds: Mapping[str, float]) -> dict[str, float]:
        """Tensor -> the float value of its integer 1, a float32 as in the vendor's compiler."""
        return {
            tensor: _float32_scale(thresholds[source], INT_MAX[self.bits[tensor]]) * self.factor[tensor]
            for tensor, source in self.source.items()
        }


def _float32_scale(threshold: float, largest: int) -> float:
    """The float value of the integer 1, above 0 also where a model declares next to nothing."""
    return max(float(np.float32(threshold) / np.float32(largest)), float(np.finfo(np.float32).tiny))


def plan_scales(graph: FloatGraph, *, int16_tail: bool = True, int16: Collection[str] = ()) -> ScalePlan:
    """Decide the sharing: moves share always; a Concat shares with branches that nothing else reads.

    Such a branch is rounded once, straight to the Concat's scale; other branches are rescale_to before it. Another
    Concat behind a move, as in a feature pyramid that goes down and up again, does not keep it from sharing: that one
    rescales. `int16` are
    the tensors with 16 bits (`int16_tensors`), besides those of the tail.
    """
    int16_tensors = set(int16) | (_int16_heads(graph) if int16_tail else set())
    parent = {name: name for name in tensors_of(graph)}
    for node in graph.nodes:
        if keeps_scale(node):
            _join(parent, node.inputs[0], node.output)
    owner: dict[str, str] = {}  # group root -> the Concat output that decides
    for node in graph.nodes:
        if node.op == "Concat":
            _join_branches(graph, node, parent, int16_tensors)
            owner[_root(parent, node.output)] = node.output
    return _plan(graph, parent, owner, int16_tensors)


def _plan(graph: FloatGraph, parent: dict[str, str], owner: dict[str, str], int16: set[str]) -> ScalePlan:
    source: dict[str, str] = {}
    factor: dict[str, float] = {}
    accumulators = accumulator_outputs(graph) - int16
    scaled = {node.output: node for node in graph.nodes if node.op == "Scale"}
    for name in tensors_of(graph):
        root = _root(parent, name)
        source[name], factor[name] = owner.get(root, root), 1.0
    for name in source:  # running order: a Scale's input is done before its output
        node = scaled.get(_root(parent, name))
        if node is not None:
            source[name] = source[node.inputs[0]]
            factor[name] = factor[node.inputs[0]] * float(node.attrs["alpha"])
    joined = joined_sums(graph, int16)
    for name in (*accumulators, *joined):
        del source[name], factor[name]
    bits = {name: 16 if name in int16 else 8 for name in source}
    return ScalePlan(source, factor, bits, joined)


def tensors_of(graph: FloatGraph) -> list[str]:
    """The inputs and every node's results, in running order."""
    return [*graph.inputs, *(name for node in graph.nodes for name in node.outputs)]


def keeps_scale(node: FloatNode) -> bool:
    """Return whether the result's integers mean what those of the (first) input mean."""
    return node.op in SAME_SCALE_OPS or (node.op == "Table" and node.attrs["function"] == "clip")


def _join_branches(graph: FloatGraph, concat: FloatNode, parent: dict[str, str], int16: Collection[str]) -> None:
    consumers, producers = graph.consumers(), graph.producers()
    outputs = set(graph.outputs.values())
    scale_nodes = {node.output for node in graph.nodes if node.op == "Scale"}
    for branch in dict.fromkeys(concat.inputs):
        root = _root(parent, branch)
        group = [name for name in parent if _root(parent, name) == root]
        moved = set(graph.reached_through(branch, keeps_scale)) - {branch}
        private = all(
            reader is concat or keeps_scale(reader) or (reader.op == "Concat" and name in moved)
            for name in group
            for reader in consumers.get(name, [])
        )
        if not private or outputs.intersection(group) or scale_nodes.intersection(group):
            continue
        if (branch in int16) != (concat.output in int16):
            continue
        bounded = next((n for n in map(producers.get, group) if n is not None and "clip" in n.attrs), None)
        if bounded is not None and bounded is not concat:
            raise unsupported(
                bounded,
                f"is bounded by {bounded.attrs['clip']!r} and read by {concat.name!r} alone: the two share a range",
                "the board's compiler loses such a bound: move the Clip behind the Concat, or leave it out",
            )
        _join(parent, concat.output, branch)


def takes_int8(node: FloatNode) -> bool:
    """Return whether the BPU has the operation for int8 only: a wide input is brought to 8 bits in front of it."""
    return node.op in INT8_OPS or "average" in node.attrs


def accumulator_outputs(graph: FloatGraph) -> set[str]:
    """Graph outputs made by a convolution that nothing else reads: they stay int32."""
    consumers, producers = graph.consumers(), graph.producers()
    return {
        tensor
        for tensor in graph.outputs.values()
        if tensor in producers
        and producers[tensor].op == "Conv"
        and "activation" not in producers[tensor].attrs
        and tensor not in consumers
    }


def joined_sums(graph: FloatGraph, int16: Set[str]) -> dict[str, str]:
    """Outputs of convolutions that an Add alone reads, to that Add: the BPU adds to the accumulator before it rounds.

    Of two such convolutions the later one takes the sum; nothing joins where 16 bits take part.
    """
    consumers, producers, joined = graph.consumers(), graph.producers(), dict[str, str]()
    order = {node.name: index for index, node in enumerate(graph.nodes)}
    for add in graph.nodes:
        if add.op != "Add" or not int16.isdisjoint({*add.inputs, add.output}) or len(set(add.inputs)) != 2:
            continue
        shapes = [graph.shapes.get(name, ()) for name in (*add.inputs, add.output)]
        plain = [
            node
            for node in map(producers.get, add.inputs)
            if node is not None
            and node.op == "Conv"
            and "activation" not in node.attrs
            and len(consumers[node.output]) == 1
            and node.output not in graph.outputs.values()
            and node.inputs[0] not in int16
        ]
        if plain and len(set(shapes)) == 1 and len(shapes[0]) == 4:
            joined[max(plain, key=lambda node: order[node.name]).output] = add.name
    return joined


def _int16_heads(graph: FloatGraph) -> set[str]:
    """A table at a graph output and the convolution before it: 16 bits cost nothing there."""
    consumers, producers = graph.consumers(), graph.producers()
    int16: set[str] = set()
    for tensor in graph.outputs.values():
        table = producers.get(tensor)
        if table is None or table.op != "Table" or tensor in consumers:
            continue
        conv = producers.get(table.inputs[0])
        if conv is not None and conv.op == "Conv" and len(consumers[conv.output]) == 1:
            int16 |= {tensor, conv.output}
    return int16


def _root(parent: Mapping[str, str], name: str) -> str:
    while parent[name] != name:
        name = parent[name]
    return name


def _join(parent: dict[str, str], keeps: str, joins: str) -> None:
    keep_root, join_root = _root(parent, keeps), _root(parent, joins)
    if keep_root != join_root:
        parent[join_root] = keep_root
