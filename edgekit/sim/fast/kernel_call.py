"""One step of a frame: a compiled kernel on its places, or a node as the reference computes it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from edgekit.errors import DeviceError, ModelError
from edgekit.sim.fast.tensor_view import Place, flip, stored_dtype, view
from edgekit.sim.node import Node
from edgekit.sim.ops.blocks import Regroup
from edgekit.sim.ops.layout import Concat, Reshape, Slice, Split, Transpose
from edgekit.sim.ops.upsample import Upsample

BYTEWISE = (Concat, Regroup, Reshape, Slice, Split, Transpose, Upsample)  # they only move elements

Kernel = Callable[..., int]


class Frame:
    """The buffers of one frame under way: the arena, and arrays of their own for what leaves it."""

    def __init__(self, arena: np.ndarray, offsets: Mapping[str, int], own: Mapping[str, Place]) -> None:
        self.arena = arena
        self.offsets = offsets
        self.arrays: dict[str, np.ndarray] = {}
        self._own = own
        self._base = _address(arena)

    def address(self, place: Place) -> int:
        if place.root in self.offsets:
            return self._base + self.offsets[place.root] + place.offset
        return _address(self._array(place.root)) + place.offset

    def read(self, place: Place) -> np.ndarray:
        """The tensor as stored (int8 as x + 128): a view that lasts as long as the buffer."""
        if place.root in self.offsets:
            return view(place, self.arena, self.offsets[place.root])
        return view(place, self._array(place.root))

    def _array(self, root: str) -> np.ndarray:
        if root not in self.arrays:
            place = self._own[root]
            self.arrays[root] = np.empty(place.shape, stored_dtype(place.dtype))
        return self.arrays[root]


def _address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


@dataclass(frozen=True, slots=True)
class KernelStep:
    """A compiled kernel: `block` are its parameters, `keep` the arrays that the block points into."""

    name: str
    kernel: Kernel
    block: ctypes.Structure
    source: Place
    target: Place
    extra: Place | None = None
    keep: tuple[np.ndarray, ...] = field(default=(), repr=False)

    def reads(self) -> tuple[Place, ...]:
        return (self.source,) if self.extra is None else (self.source, self.extra)

    def writes(self) -> tuple[Place, ...]:
        return (self.target,)

    def run(self, frame: Frame) -> None:
        extra = frame.address(self.extra) if self.extra is not None else None
        source, target = frame.address(self.source), frame.address(self.target)
        if self.kernel(ctypes.byref(self.block), source, target, extra):
            raise DeviceError(f"no memory is left for {self.name}", hint="close other programs, or use fewer threads")


@dataclass(frozen=True, slots=True)
class ReferenceStep:
    """A node without a fast form, computed by its readable operator."""

    node: Node
    sources: tuple[Place | np.ndarray, ...]
    targets: tuple[Place, ...]

    @property
    def name(self) -> str:
        return self.node.name

    def reads(self) -> tuple[Place, ...]:
        return tuple(source for source in self.sources if isinstance(source, Place))

    def writes(self) -> tuple[Place, ...]:
        return self.targets

    def run(self, frame: Frame) -> None:
        bytewise = isinstance(self.node.operator, BYTEWISE)
        operands = []
        for source in self.sources:
            if isinstance(source, Place):
                stored = frame.read(source)
                operands.append(stored if bytewise else flip(stored))
            else:
                operands.append(flip(source) if bytewise else source)
        results = self.node.operator.run(*operands)
        _require_promised(self.node, results, bytewise)
        for target, result in zip(self.targets, results, strict=True):
            stored = np.asarray(result if bytewise else flip(result), order="C")  # keeps a scalar one
            shared = any(np.may_share_memory(stored, operand) for operand in operands)  # the arena is used again
            frame.arrays[target.root] = stored.copy() if shared else stored


def _require_promised(node: Node, results: tuple[np.ndarray, ...], bytewise: bool) -> None:
    """Raise ModelError where a result is not what its place was laid out for: kernels would read beyond it."""
    for result, promised in zip(results, node.operator.outputs, strict=True):
        dtype = stored_dtype(promised.dtype) if bytewise else promised.dtype
        if result.shape != promised.shape or result.dtype != dtype:
            raise ModelError(
                f"node {node.name!r} gave {result.dtype}{list(result.shape)}, expected {promised}",
                hint="compile the model again; report the graph if it is the toolchain's own",
            )


Step = KernelStep | ReferenceStep
