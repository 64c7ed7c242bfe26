"""The fast form of a node: which kernel steps compute it, once it is known where its tensors lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.sim.fast.conv_calls import OutputStage, conv_calls, is_depthwise, is_patchwise, transpose_calls
from edgekit.sim.fast.kernel_call import Call
from edgekit.sim.fast.kernel_set import KernelSet
from edgekit.sim.fast.tables import (
    PAIRWISE,
    UNARY,
    channel_tables,
    eltwise_numbers,
    is_uniform,
    lut2_table,
    unary_table,
)
from edgekit.sim.fast.tensor_view import TensorView
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

Lowering = Callable[[Sequence[TensorView], TensorView], list[Call]]  # operands, result -> calls


@dataclass(frozen=True, slots=True)
class FusedNode:
    """A node with the nodes fused behind it, and what the kernels need."""

    node: Node
    chain: tuple[Node, ...]
    operands: tuple[TensorType, ...]
    kernels: KernelSet

    @property
    def result(self) -> TensorType:
        """The type of what comes out behind the last fused node."""
        return (self.chain[-1] if self.chain else self.node).operator.outputs[0]


def lower(fused: FusedNode) -> Lowering | None:
    """How kernels compute the node and its chain; None where only the reference can."""
    for operand in (*fused.operands, fused.result):
        if len(operand.shape) != 4:
            return None
    lowering = next((make for kinds, make in LOWERINGS if isinstance(fused.node.operator, kinds)), None)
    return lowering(fused) if lowering else None


def can_fuse_into(node: Node) -> bool:
    """Return whether a convolution kernel computes the node, which can take the nodes behind it along."""
    operator = node.operator
    return (isinstance(operator, Conv) and _has_kernel(operator)) or (
        isinstance(operator, ConvTranspose) and is_patchwise(operator)
    )


def can_fuse(node: Node, dtype: np.dtype[np.generic], chained: bool) -> bool:
    """Return whether a convolution's kernel that holds `dtype` can take `node` along."""
    operator, out = node.operator, node.operator.outputs[0]
    if isinstance(operator, Dequantize):
        if dtype == np.int32:
            return not chained and (operator.scale.size == 1 or operator.axis == CHANNELS)
        return dtype == np.int16 and operator.scale.size == 1
    if not isinstance(operator, UNARY) or dtype not in SMALL or not is_uniform(operator):
        return False
    return out.dtype == dtype or (dtype == np.int16 and out.dtype == np.int8)


def _conv(fused: FusedNode) -> Lowering | None:
    conv = fused.node.operator
    assert isinstance(conv, Conv)
    if not _has_kernel(conv):
        return None
    if _is_channel_map(conv) and not fused.chain and fused.operands[0].dtype == np.int8:
        table = channel_tables(conv, conv.group)
        return lambda sources, target: [fused.kernels.lut(fused.node.name, table, sources[0], target, per_channel=True)]
    stage = _output_stage(fused)
    return lambda sources, target: list(
        conv_calls(fused.kernels, fused.node.name, conv, stage, sources[0], target, sources[1] if conv.sum_in else None)
    )


def _has_kernel(conv: Conv) -> bool:
    return conv.window.kernel[0] * conv.window.kernel[1] <= MAX_TAPS


def _is_channel_map(conv: Conv) -> bool:
    pointwise = conv.window.kernel == (1, 1) and conv.window.strides == (1, 1) and not any(conv.window.pads)
    alone = conv.sum_in is None and conv.group <= MAX_TABLES
    return is_depthwise(conv) and pointwise and alone and conv.epilogue.bits == 8


def _transposed(fused: FusedNode) -> Lowering | None:
    conv = fused.node.operator
    assert isinstance(conv, ConvTranspose)
    if not is_patchwise(conv):
        return None
    stage = _output_stage(fused)
    return lambda sources, target: list(
        transpose_calls(fused.kernels, fused.node.name, conv, stage, sources[0], target)
    )


def _output_stage(fused: FusedNode) -> OutputStage:
    """The chain behind a convolution as one table, or as the unit of its accumulator."""
    if not fused.chain:
        return OutputStage()
    last = fused.chain[-1].operator
    ending = fused.node.operator.epilogue  # type: ignore[attr-defined]
    if isinstance(ending, Accumulator):
        assert isinstance(last, Dequantize)
        return OutputStage(float_scale=np.broadcast_to(last.scale, (fused.result.channels,)))
    dtype = fused.node.operator.outputs[0].dtype
    return OutputStage(table=unary_table([node.operator for node in fused.chain], dtype))


def _unary(fused: FusedNode) -> Lowering | None:
    operator, source, result = fused.node.operator, fused.operands[0], fused.result
    if source.dtype not in SMALL or result.dtype not in SMALL:
        return None
    if getattr(operator, "axis", CHANNELS) != CHANNELS and not is_uniform(operator):
        return None  # parameters along another axis than the channels
    if is_uniform(operator):
        table = unary_table([operator], source.dtype)
        return lambda sources, target: [fused.kernels.lut(fused.node.name, table, sources[0], target)]
    if source.dtype == np.int8 and result.dtype == np.int8 and source.channels <= MAX_TABLES:
        tables = channel_tables(operator, source.channels)
        return lambda sources, target: [
            fused.kernels.lut(fused.node.name, tables, sources[0], target, per_channel=True)
        ]
    return None


def _pairs(fused: FusedNode) -> Lowering | None:
    x, rhs = fused.operands
    shape = fused.result.shape
    rhs_fits = rhs.shape == shape or rhs.shape == (shape[0], 1, 1, shape[3])
    widths = {x.dtype, rhs.dtype, fused.result.dtype}
    if not widths <= set(SMALL) or x.shape != shape or not rhs_fits:
        return None
    operator = fused.node.operator
    by_table = widths == {np.dtype(np.int8)} and is_uniform(operator)
    numbers = lut2_table(operator) if by_table else eltwise_numbers(operator, shape[CHANNELS], rhs.dtype.itemsize)
    if numbers is None:
        return None
    kernel = fused.kernels.lut2 if by_table else fused.kernels.eltwise
    return lambda sources, target: [
        kernel(
            fused.node.name,
            numbers,
            sources[0],
            sources[1] if rhs.shape == shape else sources[1].broadcast(shape),
            target,
        )
    ]


def _pool(fused: FusedNode) -> Lowering | None:
    pool = fused.node.operator
    assert isinstance(pool, MaxPool)
    if pool.window.dilations != (1, 1):
        return None
    return lambda sources, target: [fused.kernels.max_pool(fused.node.name, pool.window, sources[0], target)]


def _upsample(fused: FusedNode) -> Lowering | None:
    operator = fused.node.operator
    assert isinstance(operator, Upsample)
    return lambda sources, target: [fused.kernels.copy(fused.node.name, sources[0], target, operator.factor_hw)]


LOWERINGS: tuple[tuple[Any, Callable[[FusedNode], Lowering | None]], ...] = (
    (Conv, _conv),
    (ConvTranspose, _transposed),
    (Dequantize, lambda fused: None),
    (UNARY, _unary),
    (PAIRWISE, _pairs),
    (MaxPool, _pool),
    (Upsample, _upsample),
)
