"""One step of a frame: a compiled kernel on its tensors, or a node as the reference computes it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from edgekit.errors import DeviceError, ModelError
from edgekit.sim.fast.tensor_view import TensorView, as_array, flip, stored_dtype
from edgekit.sim.node import Node
from edgekit.sim.ops.blocks import Regroup
from edgekit.sim.ops.layout import Concat, Reshape, Slice, Split, Transpose
from edgekit.sim.ops.upsample import Upsample

BYTEWISE = (Concat, Regroup, Reshape, Slice, Split, Transpose, Upsample)  # they only move elements

Kernel = Callable[..., int]


class ArenaFrame:
    """The buffers of one frame under way: the arena, and arrays of their own for what leaves it."""

    def __init__(self, arena: np.ndarray, offsets: Mapping[str, int], owned: Mapping[str, TensorView]) -> None:
        self.arena = arena
        self.offsets = offsets
        self.arrays: dict[str, np.ndarray] = {}
        self._owned = owned
        self._base = _address(arena)

    def address(self, tensor: TensorView) -> int:
        """Return where a tensor begins in memory."""
        if tensor.root in self.offsets:
            return self._base + self.offsets[tensor.root] + tensor.offset
        return _address(self._array(tensor.root)) + tensor.offset

    def read(self, tensor: TensorView) -> np.ndarray:
        """The tensor as stored (int8 as x + 128): a view that lasts as long as the buffer."""
        if tensor.root in self.offsets:
            return as_array(tensor, self.arena, self.offsets[tensor.root])
        return as_array(tensor, self._array(tensor.root))

    def _array(self, root: str) -> np.ndarray:
        if root not in self.arrays:
            tensor = self._owned[root]
            self.arrays[root] = np.empty(tensor.shape, stored_dtype(tensor.dtype))
        return self.arrays[root]


def _address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


@dataclass(frozen=True, slots=True)
class KernelCall:
    """A compiled kernel: `params` are its parameters, `keep` the arrays that the params points into."""

    name: str
    kernel: Kernel
    params: ctypes.Structure
    source: TensorView
    target: TensorView
    rhs: TensorView | None = None
    keep: tuple[np.ndarray, ...] = field(default=(), repr=False)

    def reads(self) -> tuple[TensorView, ...]:
        """Return the tensors that it reads."""
        return (self.source,) if self.rhs is None else (self.source, self.rhs)

    def writes(self) -> tuple[TensorView, ...]:
        """Return the tensors that it writes."""
        return (self.target,)

    def run(self, frame: ArenaFrame) -> None:
        """Run the kernel on the buffers of a frame; raises DeviceError if no memory is left."""
        rhs = frame.address(self.rhs) if self.rhs is not None else None
        source, target = frame.address(self.source), frame.address(self.target)
        if self.kernel(ctypes.byref(self.params), source, target, rhs):
            raise DeviceError(f"no memory is left for {self.name}", hint="close other programs, or use fewer threads")


@dataclass(frozen=True, slots=True)
class ReferenceCall:
    """A node without a fast form, computed by its readable operator."""

    node: Node
    sources: tuple[TensorView | np.ndarray, ...]
    targets: tuple[TensorView, ...]

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    def reads(self) -> tuple[TensorView, ...]:
        """Return the tensors that it reads."""
        return tuple(source for source in self.sources if isinstance(source, TensorView))

    def writes(self) -> tuple[TensorView, ...]:
        """Return the tensors that it writes."""
        return self.targets

    def run(self, frame: ArenaFrame) -> None:
        """Run the operator on the buffers of a frame."""
        bytewise = isinstance(self.node.operator, BYTEWISE)
        operands = []
        for source in self.sources:
            if isinstance(source, TensorView):
                stored = frame.read(source)
                operands.append(stored if bytewise else flip(stored))
            else:
                operands.append(flip(source) if bytewise else source)
        results = self.node.operator.run(*operands)
        _require_declared(self.node, results, bytewise)
        for target, result in zip(self.targets, results, strict=True):
            stored = np.asarray(result if bytewise else flip(result), order="C")  # keeps a scalar one
            shared = any(np.may_share_memory(stored, operand) for operand in operands)  # the arena is used again
            frame.arrays[target.root] = stored.copy() if shared else stored


def _require_declared(node: Node, results: tuple[np.ndarray, ...], bytewise: bool) -> None:
    """Raise ModelError where a result is not what its buffer was laid out for: kernels would read beyond it."""
    for result, declared in zip(results, node.operator.outputs, strict=True):
        dtype = stored_dtype(declared.dtype) if bytewise else declared.dtype
        if result.shape != declared.shape or result.dtype != dtype:
            raise ModelError(
                f"node {node.name!r} gave {result.dtype}{list(result.shape)}, expected {declared}",
                hint="compile the model again; report the graph if it is the toolchain's own",
            )


Call = KernelCall | ReferenceCall
