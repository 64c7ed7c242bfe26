"""The fast form of a node: which kernel steps compute it, once it is known where its tensors lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.sim.fast.conv_steps import Tail, conv_steps, is_depthwise, is_patchwise, transpose_steps
from edgekit.sim.fast.kernel_call import Step
from edgekit.sim.fast.map_steps import blend_step, copy_step, map_step, pair_step, pool_step
from edgekit.sim.fast.tables import (
    PAIRWISE,
    UNARY,
    blend_numbers,
    channel_tables,
    is_uniform,
    pair_table,
    unary_table,
)
from edgekit.sim.fast.tensor_view import Place
from edgekit.sim.node import Node
from edgekit.sim.ops.conv import Conv
from edgekit.sim.ops.conv_transpose import ConvTranspose
from edgekit.sim.ops.dequantize import Dequantize
from edgekit.sim.ops.epilogue import Accumulator
from edgekit.sim.ops.max_pool import MaxPool
from edgekit.sim.ops.upsample import Upsample
from edgekit.sim.tensor import TensorType

CHANNELS = 3  # the axis of channels in NHWC
MAX_TABLES = 1 << 12  # tables of one operator: more channels are left to other forms, as the tables would be large
MAX_TAPS = 1 << 12  # of a convolution's window, for each of which its kernel keeps a list of pointers
SMALL = (np.dtype(np.int8), np.dtype(np.int16))

Build = Callable[[Sequence[Place], Place], list[Step]]  # operands' places, result's place


@dataclass(frozen=True, slots=True)
class Subject:
    """A node with the nodes fused behind it, and what the kernels need."""

    node: Node
    chain: tuple[Node, ...]
    operands: tuple[TensorType, ...]
    library: Any
    threads: int

    @property
    def result(self) -> TensorType:
        return (self.chain[-1] if self.chain else self.node).operator.outputs[0]


def fast_form(subject: Subject) -> Build | None:
    """How kernels compute the node and its chain; None where only the reference can."""
    for operand in (*subject.operands, subject.result):
        if len(operand.shape) != 4:
            return None
    form = next((make for kinds, make in FORMS if isinstance(subject.node.operator, kinds)), None)
    return form(subject) if form else None


def can_fuse_into(node: Node) -> bool:
    """Whether a convolution kernel computes the node, which can take the nodes behind it along."""
    operator = node.operator
    return (isinstance(operator, Conv) and _has_kernel(operator)) or (
        isinstance(operator, ConvTranspose) and is_patchwise(operator)
    )


def can_fuse(node: Node, dtype: np.dtype[np.generic], chained: bool) -> bool:
    """Whether a convolution's kernel that holds `dtype` can take `node` along."""
    operator, out = node.operator, node.operator.outputs[0]
    if isinstance(operator, Dequantize):
        if dtype == np.int32:
            return not chained and (operator.scale.size == 1 or operator.axis == CHANNELS)
        return dtype == np.int16 and operator.scale.size == 1
    if not isinstance(operator, UNARY) or dtype not in SMALL or not is_uniform(operator):
        return False
    return out.dtype == dtype or (dtype == np.int16 and out.dtype == np.int8)


def _conv(subject: Subject) -> Build | None:
    conv = subject.node.operator
    assert isinstance(conv, Conv)
    if not _has_kernel(conv):
        return None
    if _is_channel_map(conv) and not subject.chain and subject.operands[0].dtype == np.int8:
        table = channel_tables(conv, conv.group)
        return lambda sources, target: [map_step(*_common(subject), table, sources[0], target, per_channel=True)]
    tail = _tail(subject)
    return lambda sources, target: list(
        conv_steps(*_common(subject), conv, tail, sources[0], target, sources[1] if conv.sum_in else None)
    )


def _has_kernel(conv: Conv) -> bool:
    return conv.window.kernel[0] * conv.window.kernel[1] <= MAX_TAPS


def _is_channel_map(conv: Conv) -> bool:
    pointwise = conv.window.kernel == (1, 1) and conv.window.strides == (1, 1) and not any(conv.window.pads)
    alone = conv.sum_in is None and conv.group <= MAX_TABLES
    return is_depthwise(conv) and pointwise and alone and conv.epilogue.bits == 8


def _transposed(subject: Subject) -> Build | None:
    conv = subject.node.operator
    assert isinstance(conv, ConvTranspose)
    if not is_patchwise(conv):
        return None
    tail = _tail(subject)
    return lambda sources, target: list(transpose_steps(*_common(subject), conv, tail, sources[0], target))


def _tail(subject: Subject) -> Tail:
    """The chain behind a convolution as one table, or as the unit of its accumulator."""
    if not subject.chain:
        return Tail()
    last = subject.chain[-1].operator
    ending = subject.node.operator.epilogue  # type: ignore[attr-defined]
    if isinstance(ending, Accumulator):
        assert isinstance(last, Dequantize)
        return Tail(unit=np.broadcast_to(last.scale, (subject.result.channels,)))
    dtype = subject.node.operator.outputs[0].dtype
    return Tail(table=unary_table([node.operator for node in subject.chain], dtype))


def _unary(subject: Subject) -> Build | None:
    operator, source, result = subject.node.operator, subject.operands[0], subject.result
    if source.dtype not in SMALL or result.dtype not in SMALL:
        return None
    if getattr(operator, "axis", CHANNELS) != CHANNELS and not is_uniform(operator):
        return None  # parameters along another axis than the channels
    if is_uniform(operator):
        table = unary_table([operator], source.dtype)
        return lambda sources, target: [map_step(*_common(subject), table, sources[0], target)]
    if source.dtype == np.int8 and result.dtype == np.int8 and source.channels <= MAX_TABLES:
        tables = channel_tables(operator, source.channels)
        return lambda sources, target: [map_step(*_common(subject), tables, sources[0], target, per_channel=True)]
    return None


def _pairs(subject: Subject) -> Build | None:
    x, e = subject.operands
    shape = subject.result.shape
    e_fits = e.shape == shape or e.shape == (shape[0], 1, 1, shape[3])
    widths = {x.dtype, e.dtype, subject.result.dtype}
    if not widths <= set(SMALL) or x.shape != shape or not e_fits:
        return None
    operator = subject.node.operator
    by_table = widths == {np.dtype(np.int8)} and is_uniform(operator)
    numbers = pair_table(operator) if by_table else blend_numbers(operator, shape[CHANNELS], e.dtype.itemsize)
    if numbers is None:
        return None
    step = pair_step if by_table else blend_step
    return lambda sources, target: [
        step(
            *_common(subject),
            numbers,
            sources[0],
            sources[1] if e.shape == shape else sources[1].broadcast(shape),
            target,
        )
    ]


def _pool(subject: Subject) -> Build | None:
    pool = subject.node.operator
    assert isinstance(pool, MaxPool)
    if pool.window.dilations != (1, 1):
        return None
    return lambda sources, target: [pool_step(*_common(subject), pool.window, sources[0], target)]


def _upsample(subject: Subject) -> Build | None:
    operator = subject.node.operator
    assert isinstance(operator, Upsample)
    return lambda sources, target: [copy_step(*_common(subject), sources[0], target, operator.factor_hw)]


def _common(subject: Subject) -> tuple[Any, int, str]:
    return subject.library, subject.threads, subject.node.name


FORMS: tuple[tuple[Any, Callable[[Subject], Build | None]], ...] = (
    (Conv, _conv),
    (ConvTranspose, _transposed),
    (Dequantize, lambda subject: None),
    (UNARY, _unary),
    (PAIRWISE, _pairs),
    (MaxPool, _pool),
    (Upsample, _upsample),
)
