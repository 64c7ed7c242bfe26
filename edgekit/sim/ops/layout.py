"""Transpose, Reshape, Flatten, Slice, Split, Concat, Identity: standard operators that only move elements."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import TensorType

ANY = ("int8", "int16", "int32", "float32")
INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Transpose:
    """Axes in another order."""

    perm: tuple[int, ...]
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return x with its axes permuted."""
        return (np.asarray(x.transpose(self.perm), order="C"),)


@dataclass(frozen=True, slots=True)
class Reshape:
    """Reshape, Flatten, Squeeze, Unsqueeze and Identity: the target shape is known at load."""

    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return x in the target shape."""
        return (x.reshape(self.outputs[0].shape),)


@dataclass(frozen=True, slots=True)
class Slice:
    """A range of every axis."""

    slices: tuple[slice, ...]
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return the part of x."""
        return (x[self.slices],)


@dataclass(frozen=True, slots=True)
class Split:
    """Consecutive parts along one axis."""

    axis: int
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return the parts of x."""
        ends = np.cumsum([output.shape[self.axis] for output in self.outputs])[:-1]
        return tuple(np.split(x, ends, axis=self.axis))


@dataclass(frozen=True, slots=True)
class Concat:
    """All operands, one behind the other along one axis."""

    axis: int
    outputs: tuple[TensorType, ...]

    def run(self, *operands: np.ndarray) -> Arrays:
        """Return the operands joined."""
        return (np.concatenate(operands, axis=self.axis),)


def read_transpose(node: NodeReader) -> Transpose:
    """Read Transpose; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, ANY)
    rank = len(x.shape)
    perm = node.integers("perm", count=rank, low=0, high=rank - 1, default=tuple(reversed(range(rank)))).tolist()
    node.require(sorted(perm) == list(range(rank)), f"attribute perm is {perm}", "every axis once")
    return Transpose(tuple(perm), (TensorType(tuple(x.shape[p] for p in perm), x.dtype),))


def read_reshape(node: NodeReader) -> Reshape:
    """Read Reshape; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(2)
    x = node.operand(0, ANY)
    requested = node.constant(1, ("int64",), (-1,)).tolist()
    copied = [x.shape[i] if size == 0 and i < len(x.shape) else size for i, size in enumerate(requested)]
    known = math.prod(size for size in copied if size != -1)
    if copied.count(-1) == 1 and known > 0 and x.size % known == 0:
        copied[copied.index(-1)] = x.size // known
    fits = all(size >= 0 for size in copied) and math.prod(copied) == x.size
    node.require(fits, f"target shape {requested}", f"one of {x.size} elements as {list(x.shape)} has")
    return Reshape((TensorType(tuple(copied), x.dtype),))


def read_flatten(node: NodeReader) -> Reshape:
    """Read Flatten; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, ANY)
    rank = len(x.shape)
    axis = node.integer("axis", -rank, rank, 1)
    axis = axis + rank if axis < 0 else axis
    return Reshape((TensorType((math.prod(x.shape[:axis]), math.prod(x.shape[axis:])), x.dtype),))


def read_squeeze(node: NodeReader) -> Reshape:
    """Read Squeeze; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, ANY)
    rank = len(x.shape)
    ones = [i for i, size in enumerate(x.shape) if size == 1]
    axes = [a % rank for a in node.integers("axes", count=None, low=-rank, high=rank - 1, default=ones).tolist()]
    node.require(set(axes) <= set(ones), f"attribute axes is {axes}", "axes of size 1")
    return Reshape((TensorType(tuple(s for i, s in enumerate(x.shape) if i not in axes), x.dtype),))


def read_unsqueeze(node: NodeReader) -> Reshape:
    """Read Unsqueeze; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, ANY)
    listed = node.integers("axes", count=None, low=-8, high=7).tolist()
    rank = len(x.shape) + len(listed)
    axes = {a % rank for a in listed}
    node.require(len(axes) == len(listed), f"attribute axes is {listed}", "each axis once")
    sizes = iter(x.shape)
    return Reshape((TensorType(tuple(1 if i in axes else next(sizes) for i in range(rank)), x.dtype),))


def read_identity(node: NodeReader) -> Reshape:
    """Read Identity; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    return Reshape((node.operand(0, ANY),))


def read_slice(node: NodeReader) -> Slice:
    """Read Slice; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(3, 5)
    x = node.operand(0, ANY)
    rank = len(x.shape)
    starts = node.constant(1, ("int64", "int32"), (-1,)).tolist()
    count = len(starts)
    ends = node.constant(2, ("int64", "int32"), (count,)).tolist()
    axes = node.constant(3, ("int64", "int32"), (count,)).tolist() if node.has_input(3) else list(range(count))
    steps = node.constant(4, ("int64", "int32"), (count,)).tolist() if node.has_input(4) else [1] * count
    node.require(all(-rank <= a < rank for a in axes), f"axes {axes}", f"-{rank}..{rank - 1}")
    node.require(all(steps), f"steps {steps}", "steps other than 0")
    slices = [slice(None)] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        slices[axis % rank] = _python_slice(start, end, step, x.shape[axis % rank])
    shape = tuple(len(range(*s.indices(size))) for s, size in zip(slices, x.shape, strict=True))
    node.require(math.prod(shape) > 0, f"a slice of shape {list(shape)}", "at least one element")
    return Slice(tuple(slices), (TensorType(shape, x.dtype),))


def _python_slice(start: int, end: int, step: int, size: int) -> slice:
    """ONNX clamps where Python would: only an end before the first element, going backwards, needs None."""
    if step < 0 and end < -size:
        return slice(start, None, step)
    return slice(start, end, step)


def read_split(node: NodeReader) -> Split:
    """Read Split; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, ANY)
    rank, parts = len(x.shape), len(node.outputs)
    axis = node.integer("axis", -rank, rank - 1, 0) % rank
    even = [x.shape[axis] // parts] * parts
    sizes = node.integers("split", count=parts, low=1, high=INT64_MAX, default=even).tolist()
    node.require(sum(sizes) == x.shape[axis], f"parts of {sizes}", f"a sum of {x.shape[axis]}")
    shapes = [(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes]
    return Split(axis, tuple(TensorType(shape, x.dtype) for shape in shapes))


def read_concat(node: NodeReader) -> Concat:
    """Read Concat; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1, 1 << 10)
    operands = [node.operand(i, ANY) for i in range(len(node.inputs))]
    first = operands[0]
    rank = len(first.shape)
    axis = node.integer("axis", -rank, rank - 1) % rank
    for index, operand in enumerate(operands):
        same = operand.dtype == first.dtype and len(operand.shape) == rank
        same = same and all(
            i == axis or a == b for i, (a, b) in enumerate(zip(operand.shape, first.shape, strict=False))
        )
        node.require(same, f"input {index} is {operand}", f"{first} but for axis {axis}")
    total = sum(operand.shape[axis] for operand in operands)
    return Concat(axis, (TensorType((*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype),))
