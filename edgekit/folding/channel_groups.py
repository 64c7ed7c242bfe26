"""Channels that must share one positive factor, traced through the operations that commute with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.folding.convolution import Convolution, read_convolution
from edgekit.graph.onnx_graph import GraphIndex, attributes, graph_inputs, index_graph

CHANNEL_AXIS, RANK = 1, 4

SetIds = npt.NDArray[np.int64]  # (C,): per channel of a tensor, the set that it belongs to


class DisjointSets:
    """Disjoint sets of the integers 0..n-1 that can be joined."""

    def __init__(self, count: int = 0) -> None:
        self._parent = list(range(count))

    def __len__(self) -> int:
        return len(self._parent)

    def fresh(self, count: int) -> SetIds:
        """Return `count` new members, each a set of its own."""
        start = len(self._parent)
        self._parent.extend(range(start, start + count))
        return np.arange(start, start + count)

    def find(self, member: int) -> int:
        """Return the representative of a member's set."""
        while self._parent[member] != member:
            self._parent[member] = member = self._parent[self._parent[member]]
        return member

    def join(self, a: SetIds, b: SetIds) -> None:
        """Join the sets of `a[i]` and `b[i]`, for every i."""
        for first, second in zip(a.tolist(), b.tolist(), strict=True):
            self._parent[self.find(second)] = self.find(first)

    def roots(self, members: SetIds) -> SetIds:
        """Return the representatives of members' sets."""
        return np.array([self.find(m) for m in members.tolist()], np.int64)


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels and the factors that they may get.

    Attributes:
        labels: Per 4-D tensor the set of each channel.
        free: Per set whether a factor other than 1 changes no output.
        convolutions: Those with constant weights, in running order.
    """

    labels: dict[str, SetIds]
    free: npt.NDArray[np.bool_]
    convolutions: tuple[Convolution, ...]


def trace_channels(model: onnx.ModelProto) -> Channels:
    """Trace the channel sets of a model (NCHW).

    A set is free if its channels are made only by convolutions, read only by convolutions, and pass on the way only
    operations with f(s * x) = s * f(x) for s > 0; it ends at a graph input or output and at everything else.

    Args:
        model: A float model.

    Returns:
        The channels.
    """
    trace = _Trace(model)
    for value in graph_inputs(model):
        trace.opaque([value.name])
    for node in model.graph.node:
        _follow(trace, node)
    for output in model.graph.output:
        trace.freeze(output.name)
    free = np.ones(len(trace.sets), bool)
    for labels in trace.frozen:
        free[trace.sets.roots(labels)] = False
    roots = {name: trace.sets.roots(labels) for name, labels in trace.labels.items()}
    return Channels(roots, free, tuple(trace.convolutions))


class _Trace:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.index: GraphIndex = index_graph(model)
        self.sets = DisjointSets()
        self.labels: dict[str, SetIds] = {}
        self.frozen: list[SetIds] = []
        self.convolutions: list[Convolution] = []
        self._channels = _declared_channels(model)

    def freeze(self, name: str) -> None:
        if name in self.labels:
            self.frozen.append(self.labels[name])

    def opaque(self, names: Sequence[str]) -> None:
        """Tensors whose channels keep their size; labelled where their number is known, for a Concat to come."""
        for name in names:
            if name in self._channels:
                self.labels[name] = self.sets.fresh(self._channels[name])
                self.freeze(name)

    def constant(self, node: onnx.NodeProto, position: int) -> list[float] | None:
        """A constant input as a flat list; None where it is absent or computed."""
        name = node.input[position] if len(node.input) > position else ""
        value = self.index.constants.get(name)
        return None if value is None else value.reshape(-1).tolist()


def _declared_channels(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    channels = {}
    for value in [*inferred.value_info, *inferred.input, *inferred.output]:
        dims = value.type.tensor_type.shape.dim
        if len(dims) == RANK and dims[CHANNEL_AXIS].dim_value > 0:
            channels[value.name] = int(dims[CHANNEL_AXIS].dim_value)
    return channels


def _follow(trace: _Trace, node: onnx.NodeProto) -> None:
    for name in _inner_reads(node):
        trace.freeze(name)
    convolution = read_convolution(trace.index, node)
    if convolution is not None and convolution.input in trace.labels:
        trace.labels[convolution.output] = trace.sets.fresh(convolution.out_channels)
        trace.convolutions.append(convolution)
        return
    rule = COMMUTING.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    outputs = rule(trace, node) if rule else None
    if outputs is None:
        for name in node.input:
            trace.freeze(name)
        trace.opaque(node.output)
    else:
        trace.labels.update(zip(node.output, outputs, strict=True))


def _inner_reads(node: onnx.NodeProto) -> Iterator[str]:
    """What the graphs inside an If or a Loop may read of the graph around them."""
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from inner.input
            yield from _inner_reads(inner)


# What each rule returns: the labels of the node's outputs, or None where this node does not commute.
Rule = Callable[[_Trace, onnx.NodeProto], "list[SetIds] | None"]


def _each_channel(trace: _Trace, node: onnx.NodeProto) -> list[SetIds] | None:
    """One data input, one output, channel by channel; MaxPool's second output, the indices, is not followed."""
    labels = trace.labels.get(node.input[0])
    return None if labels is None or len(node.output) > 1 else [labels]


def _prelu(trace: _Trace, node: onnx.NodeProto) -> list[SetIds] | None:
    return _each_channel(trace, node) if trace.constant(node, 1) is not None else None


def _resize(trace: _Trace, node: onnx.NodeProto) -> list[SetIds] | None:
    labels = trace.labels.get(node.input[0])
    if labels is None or attributes(node).get("coordinate_transformation_mode") == b"tf_crop_and_resize":
        return None  # the crop may fill in a constant
    scales = trace.constant(node, 2 if len(node.input) > 2 else 1)  # opset 10 has no region of interest before it
    sizes = trace.constant(node, 3)
    if scales:
        return [labels] if scales[:2] == [1, 1] else None
    return [labels] if sizes and sizes[CHANNEL_AXIS] == len(labels) else None


def _joined(trace: _Trace, node: onnx.NodeProto) -> list[SetIds] | None:
    inputs = _all_inputs(trace, node)
    if inputs is None or len({len(labels) for labels in inputs}) > 1:
        return None
    for labels in inputs[1:]:
        trace.sets.join(inputs[0], labels)
    return [inputs[0]]


def _concat(trace: _Trace, node: onnx.NodeProto) -> list[SetIds] | None:
    if attributes(node)["axis"] % RANK != CHANNEL_AXIS:
        return _joined(trace, node)
    inputs = _all_inputs(trace, node)
    return None if inputs is None else [np.concatenate(inputs)]


def _split(trace: _Trace, node: onnx.NodeProto) -> list[SetIds] | None:
    labels, options, count = trace.labels.get(node.input[0]), attributes(node), len(node.output)
    if labels is None:
        return None
    if options.get("axis", 0) % RANK != CHANNEL_AXIS:
        return [labels] * count
    sizes = options.get("split") or trace.constant(node, 1)
    if sizes is None:
        if len(node.input) > 1 or len(labels) % count:
            return None
        sizes = [len(labels) // count] * count
    ends = np.cumsum(np.asarray(sizes, np.int64))
    return [np.asarray(part) for part in np.split(labels, ends[:-1])]


def _slice(trace: _Trace, node: onnx.NodeProto) -> list[SetIds] | None:
    labels = trace.labels.get(node.input[0])
    starts, ends = trace.constant(node, 1), trace.constant(node, 2)
    if labels is None or starts is None or ends is None:
        return None
    axes = trace.constant(node, 3) if len(node.input) > 3 and node.input[3] else list(range(len(starts)))
    steps = trace.constant(node, 4) if len(node.input) > 4 and node.input[4] else [1] * len(starts)
    if axes is None or steps is None:
        return None
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if axis % RANK == CHANNEL_AXIS:
            if step < 1:
                return None
            labels = labels[int(start) : int(end) : int(step)]
    return [labels]


def _all_inputs(trace: _Trace, node: onnx.NodeProto) -> list[SetIds] | None:
    inputs = [trace.labels[name] for name in node.input if name in trace.labels]
    return inputs if len(inputs) == len(node.input) else None


COMMUTING: dict[str, Rule] = {
    "Relu": _each_channel,
    "LeakyRelu": _each_channel,
    "PRelu": _prelu,
    "Identity": _each_channel,
    "MaxPool": _each_channel,
    "AveragePool": _each_channel,
    "GlobalAveragePool": _each_channel,
    "GlobalMaxPool": _each_channel,
    "Resize": _resize,
    "Upsample": _resize,
    "Add": _joined,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
}
