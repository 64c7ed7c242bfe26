"""Which tensors can have 16 bits, and which have them together: found by compiling small graphs for the board.

Every tensor has a width of its own, whoever reads it, with these exceptions. Operations that move integers, and all
branches of a Concat, are as wide as their result. A table makes int16 of int16 only. Resize, ConvTranspose and
AveragePool take int8: a wide tensor is brought to 8 bits in front of them; the result of the first two has 8 bits (a
wide Concat brings it to 16).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from edgekit.graph.attention import attention_sums
from edgekit.graph.float_graph import FloatGraph, FloatNode
from edgekit.sim.compiler.scales import INT8_OPS, keeps_scale, takes_int8, tensors_of

MOVES = ("Slice", "MaxPool", "Scale")
NO_INT16 = (
    "MatMul",
    "ReduceMax",
    "ReduceSum",
    "Softmax",
    "Reshape",
    "Flatten",
    "Transpose",
)  # whose int16 form is not simulated
AVERAGE = "GlobalAveragePool"


@dataclass(frozen=True)
class PrecisionRules:
    """The rules on one graph; what they need of it is looked up once."""

    graph: FloatGraph

    @cached_property
    def producers(self) -> dict[str, FloatNode]:
        """Tensor -> the node that makes it."""
        return self.graph.producers()

    @cached_property
    def consumers(self) -> dict[str, list[FloatNode]]:
        """Tensor -> the nodes that read it."""
        return self.graph.consumers()

    @cached_property
    def _sums(self) -> frozenset[str]:
        """The tensors of attention that can have 16 bits."""
        return attention_sums(self.graph)

    @cached_property
    def int8_only(self) -> frozenset[str]:
        """Tensors that the BPU makes in int8 whatever is asked for."""
        tensors: set[str] = set()
        for node in self.graph.nodes:
            moved = node.op in MOVES or keeps_scale(node)
            if node.op in INT8_OPS or (moved and node.inputs[0] in tensors):
                tensors.update(node.outputs)
        return frozenset(tensors)

    @cached_property
    def _coupled(self) -> dict[str, set[str]]:
        """Tensor -> those that are wide with it."""
        mappings: dict[str, set[str]] = {name: set() for name in tensors_of(self.graph)}
        for node in self.graph.nodes:
            if node.op in MOVES or node.op == "Concat" or keeps_scale(node):
                members = {name for name in (*node.inputs, *node.outputs) if name in mappings} - self.int8_only
                for name in members:
                    mappings[name] |= members
            elif node.op == "Table":
                mappings[node.output].add(node.inputs[0])
        return mappings

    def closure(self, tensors: Collection[str]) -> frozenset[str]:
        """`tensors` with all that must be wide with them."""
        reached: set[str] = set()
        waiting = list(tensors)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += self._coupled[name]
        return frozenset(reached)

    def why_not_int16(self, tensor: str) -> str:
        """Why `tensor` cannot have 16 bits; empty where it can."""
        producer, consumers = self.producers.get(tensor), self.consumers.get(tensor, [])
        if tensor in self.int8_only:
            made = f"comes from {producer.name!r} ({producer.op})" if producer else "is narrow"
            return f"{made}, and the BPU makes that in int8 only"
        for node in (*consumers, *([producer] if producer else [])):
            if node.is_softmax_step and tensor not in self._sums:
                return f"belongs to {node.name!r}, a step of a Softmax, which is not simulated in int16"
            if node.op in NO_INT16:
                return f"belongs to {node.name!r} ({node.op}), which is not simulated in int16"
        average = next((node for node in consumers if node.op == AVERAGE), None)
        if average is not None:
            return f"is read by {average.name!r} ({AVERAGE}), and the board's compiler leaves it in int8 for that"
        if consumers and all(map(takes_int8, consumers)):
            return f"is read by {consumers[0].name!r} ({consumers[0].op}) alone, which takes int8"
        return ""

    def stays_int8(self, tensor: str) -> bool:
        """Whether the board's compiler leaves `tensor` in int8 although 16 bits of its maker's output are asked for.

        It does where an int8 operation reads it and no convolution does; it listens to what the readers ask for.
        """
        consumers = self.consumers.get(tensor, [])
        return any(map(takes_int8, consumers)) and not any(n.op == "Conv" and not takes_int8(n) for n in consumers)

    def fused_reason(self, tensor: str) -> str:
        """Why `tensor` has no integers of its own on the board; empty where it has.

        Its compiler takes such an addition into the convolution's accumulator, unless all tensors have 16 bits.
        """
        producer, consumers = self.producers.get(tensor), self.consumers.get(tensor, [])
        plain = producer is not None and producer.op == "Conv" and "activation" not in producer.attrs
        if plain and [node.op for node in consumers] == ["Add"]:
            return f"goes into {consumers[0].name!r} (Add) alone, and the board's compiler joins the two"
        return ""
