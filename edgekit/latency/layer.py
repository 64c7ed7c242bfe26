"""The layers of an integer graph as the BPU runs them: shapes, widths of the integers, windows and weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgekit.latency.chains import reshaping_chains
from edgekit.sim.graph import Graph
from edgekit.sim.node import Node
from edgekit.sim.ops.conv import Conv
from edgekit.sim.ops.conv_transpose import ConvTranspose
from edgekit.sim.ops.float_op import FloatOp
from edgekit.sim.ops.matmul import Matmul
from edgekit.sim.ops.reduce import Reduce
from edgekit.sim.ops.window import Window

__all__ = ["CPU_OPERATORS", "FeatureMap", "Layer", "graph_layers"]

CPU_OPERATORS = ("HzQuantize", "HzDequantize")  # the runtime's own nodes around the BPU's part
PREFIXES = ("SQuantized", "Quantized", "SElementwise")  # what the vendor's names say beside the operation
CHANNELS_FIRST, CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
PARAMETER_BYTES = 12  # per output channel beside the weights: bias, multiplier and shifts


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """A tensor between layers: its public name, shape and the width of its elements in bits (8, 16 or 32)."""

    name: str
    shape: tuple[int, ...]
    bits: int

    @property
    def nhwc(self) -> tuple[int, int, int, int]:
        """The shape with four axes: missing ones are 1, leading ones beyond four are multiplied."""
        padded = (1,) * (4 - len(self.shape)) + self.shape
        *leading, height, width, channels = padded
        return math.prod(leading), height, width, channels

    @property
    def bytes(self) -> int:
        """The bytes of the elements themselves, without padding."""
        return math.prod(self.shape) * self.bits // 8


@dataclass(frozen=True, slots=True)
class Layer:
    """One node of the graph, with what its time on the BPU depends on.

    `kernel`, `stride` are (vertical, horizontal), (1, 1) where there is no window; `strided_readers`: whether a
    strided window reads an output, which has it written a second way; `transposed_readers`: the same for one that
    moves the channels to the front, `untransposed_readers` back to the end, `reduced_readers` for one that sums or
    compares along them; `reads_matmul`: whether it reads what a matrix product wrote. `is_input`, `is_output`: the map
    comes from or leaves to the CPU. `on_cpu`: not run by the BPU at all.
    """

    name: str
    op: str
    inputs: tuple[FeatureMap, ...]
    outputs: tuple[FeatureMap, ...]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    group: int = 1
    weight_bytes: int = 0
    strided_readers: bool = False
    transposed_readers: bool = False
    untransposed_readers: bool = False
    reduced_readers: bool = False
    reads_matmul: bool = False
    is_input: bool = False
    is_output: bool = False
    on_cpu: bool = False

    @property
    def bits(self) -> int:
        """The widest of the inputs' elements, 8 or 16 (32-bit results are read by the CPU only)."""
        return max((feature_map.bits for feature_map in self.inputs), default=8)

    @property
    def is_depthwise(self) -> bool:
        """Whether every channel is convolved alone."""
        return self.group > 1 and self.inputs[0].nhwc[3] == self.group

    def with_bits(self, int16: frozenset[str]) -> Layer:
        """The same layer with the maps named in `int16` in 16 bits, accumulators that leave the BPU too."""

        def widened(maps: Sequence[FeatureMap]) -> tuple[FeatureMap, ...]:
            return tuple(replace(m, bits=16) if m.name in int16 else m for m in maps)

        return replace(self, inputs=widened(self.inputs), outputs=widened(self.outputs))


def graph_layers(graph: Graph) -> tuple[Layer, ...]:
    """Read the layers off a checked graph.

    Args:
        graph: A quantized graph, the simulated or the vendor's compiler's.

    Returns:
        One layer per node, in the order of the nodes.
    """
    chains = reshaping_chains(graph)
    absorbed = {node.name for chain in chains for node in chain[1:]}
    ends = {chain[0].name: chain[-1] for chain in chains}
    return tuple(
        _reshaping(graph, node, ends[node.name]) if node.name in ends else _layer(graph, node, ends)
        for node in graph.nodes
        if node.name not in absorbed
    )


def _reshaping(graph: Graph, first: Node, last: Node) -> Layer:
    """The one layer that a chain becomes whose end has the elements in the order of its beginning."""
    read, written = (_map(graph, name) for name in (first.operands[0], last.outputs[0]))
    return Layer(first.name, "Reshape", (read,), (written,), reads_matmul=_reads_matmul(graph, first))


def _layer(graph: Graph, node: Node, chains: Mapping[str, Node]) -> Layer:
    readers = [reader for name in node.outputs for reader in graph.consumers.get(name, ())]
    leaving = {output.tensor for output in graph.outputs.values()}
    cpu = node.op_type in CPU_OPERATORS or isinstance(node.operator, FloatOp)
    window = getattr(node.operator, "window", None)
    kernel, stride = (window.kernel, window.strides) if isinstance(window, Window) else ((1, 1), (1, 1))
    if isinstance(node.operator, ConvTranspose):
        kernel, stride = node.operator.weight.shape[1:3], node.operator.strides
    is_conv = isinstance(node.operator, (Conv, ConvTranspose))
    to_cpu = any(reader.op_type in CPU_OPERATORS or isinstance(reader.operator, FloatOp) for reader in readers)
    return Layer(
        name=node.name,
        op=_transposition(node) if node.op_type == "Transpose" else operation(node.op_type),
        inputs=tuple(_map(graph, name) for name in node.operands),
        outputs=tuple(_map(graph, name) for name in node.outputs),
        kernel=(int(kernel[0]), int(kernel[1])),
        stride=(int(stride[0]), int(stride[1])),
        group=int(getattr(node.operator, "group", 1)),
        weight_bytes=_weight_bytes(node) if is_conv else 0,
        strided_readers=any(_is_strided(reader) for reader in readers),
        transposed_readers=any(_moves_channels(reader) and reader.name not in chains for reader in readers),
        untransposed_readers=any(_restores_channels(reader) for reader in readers),
        reduced_readers=any(isinstance(reader.operator, Reduce) for reader in readers),
        reads_matmul=_reads_matmul(graph, node),
        is_input=any(name in graph.inputs for name in node.operands) and not cpu,
        is_output=not cpu and (to_cpu or any(name in leaving for name in node.outputs)),
        on_cpu=cpu,
    )


def _transposition(node: Node) -> str:
    perm = tuple(getattr(node.operator, "perm", ()))
    return {CHANNELS_FIRST: "ToChannelsFirst", CHANNELS_LAST: "ToChannelsLast"}.get(perm, "Transpose")


def _moves_channels(node: Node) -> bool:
    return node.op_type == "Transpose" and _transposition(node) == "ToChannelsFirst"


def _restores_channels(node: Node) -> bool:
    return node.op_type == "Transpose" and _transposition(node) == "ToChannelsLast"


def _reads_matmul(graph: Graph, node: Node) -> bool:
    makers = (graph.producers.get(name) for name in node.operands)
    return any(maker is not None and isinstance(maker.operator, Matmul) for maker in makers)


def operation(op_type: str) -> str:
    """The operation behind an operator's name: "HzSQuantizedConv" is "Conv", "Concat" stays."""
    name = op_type.removeprefix("Hz") if op_type.startswith("Hz") else op_type
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _map(graph: Graph, name: str) -> FeatureMap:
    if name in graph.constants:  # an element-wise operator may have one
        value = graph.constants[name]
        return FeatureMap(name, value.shape, 8 * value.dtype.itemsize)
    kind = graph.types[name]
    return FeatureMap(name, kind.shape, kind.bits)


def _weight_bytes(node: Node) -> int:
    operator = node.operator
    assert isinstance(operator, (Conv, ConvTranspose))
    channels = operator.outputs[0].shape[-1]
    return int(operator.weight.size) + PARAMETER_BYTES * channels


def _is_strided(reader: Node) -> bool:
    window = getattr(reader.operator, "window", None)
    return isinstance(window, Window) and max(window.strides) > 1
