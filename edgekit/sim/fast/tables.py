"""Operators as tables: what the reference gives for every value that can come in.

A table is exact because the reference filled it; nothing about the operator has to be known here but that its
output depends on the element alone, not on its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from edgekit.sim.fast.tensor_view import flip
from edgekit.sim.ops.bit_shift import BitShift
from edgekit.sim.ops.dequantize import Dequantize
from edgekit.sim.ops.elementwise_add import ElementwiseAdd
from edgekit.sim.ops.elementwise_mul import ElementwiseMul
from edgekit.sim.ops.elementwise_sub import ElementwiseSub
from edgekit.sim.ops.lut import Lut
from edgekit.sim.ops.lut2layer import Lut2Layer
from edgekit.sim.ops.operator import Operator
from edgekit.sim.ops.prelu import PRelu, SPRelu
from edgekit.sim.ops.requantize import Requantize
from edgekit.sim.ops.rescale import Rescale

UNARY = (Lut, Lut2Layer, Requantize, BitShift, PRelu, SPRelu, Dequantize)
PAIRWISE = (ElementwiseAdd, ElementwiseSub, ElementwiseMul)
SCALE_LIMIT, SHIFT_LIMIT = (1 << 15) - 1, 30  # v * scale and half a step stay below 2^31
PER_ELEMENT = (Lut, Lut2Layer)  # their arrays are tables already, not one entry per channel


def is_uniform(operator: Any) -> bool:
    """Return whether every channel has the same parameters."""
    if isinstance(operator, PER_ELEMENT):
        return True
    return all(np.all(array == array.flat[0]) for array in _channel_arrays(operator))


def unary_table(operators: Sequence[Operator], dtype: np.dtype[Any]) -> np.ndarray:
    """What a chain of uniform unary operators makes of every value of `dtype` (int8 or int16), lowest first."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    values = np.arange(low, high + 1, dtype=dtype).reshape(-1, 1, 1, 1)
    for operator in operators:
        values = _single_channel(operator).run(values)[0]
    return np.ascontiguousarray(flip(values.reshape(-1)))


def channel_tables(operator: Operator, channels: int) -> np.ndarray:
    """(channels, 256) bytes: a table per channel of an operator that works on int8 pixel by pixel."""
    values = np.arange(-128, 128, dtype=np.int8)
    columns = np.broadcast_to(values[None, None, :, None], (1, 1, 256, channels))
    return np.ascontiguousarray(flip(operator.run(columns)[0][0, 0].T.copy()))


def lut2_table(operator: Operator) -> np.ndarray:
    """(256, 256) bytes: what a uniform operator of two int8 operands gives for every pair."""
    values = np.arange(-128, 128, dtype=np.int8)
    x, rhs = np.meshgrid(values, values, indexing="ij")
    result = _single_channel(operator).run(x[..., None], rhs[..., None])[0][..., 0]
    return np.ascontiguousarray(flip(result.copy()))


def eltwise_numbers(operator: Operator, channels: int, rhs_bytes: int) -> np.ndarray | None:
    """The operation and its numbers per channel as `EltwiseNumbers` of bpu.h has them; None where 32 bits overflow."""
    assert isinstance(operator, PAIRWISE)
    rescale = operator.rescale
    if np.abs(rescale.scale).max() > SCALE_LIMIT or rescale.out_shift.max() > SHIFT_LIMIT:
        return None
    zero = np.zeros(1, np.int64)
    x_shift, e_scale, e_shift = (getattr(operator, name, zero) for name in ("x_shift", "e_scale", "e_shift"))
    rows = (x_shift, e_scale, e_shift, rescale.rounding_bias, rescale.right_shift, rescale.scale, rescale.out_shift)
    per_channel = np.concatenate([np.broadcast_to(row, (channels,)) for row in rows])
    head = np.array([PAIRWISE.index(type(operator)), rescale.to_nearest, rhs_bytes], np.int64)
    return np.concatenate([head, per_channel]).astype(np.int32)  # modulo 2^32, as the accumulator is


def _channel_arrays(operator: Any) -> list[np.ndarray]:
    arrays = []
    for field in fields(operator):
        value = getattr(operator, field.name)
        if isinstance(value, np.ndarray):
            arrays.append(value)
        elif isinstance(value, Rescale):
            arrays.extend(_channel_arrays(value))
    return arrays


def _single_channel(operator: Any) -> Any:
    """The uniform `operator` for tensors with one channel."""
    if isinstance(operator, PER_ELEMENT):
        return operator
    changes: dict[str, Any] = {}
    for field in fields(operator):
        value = getattr(operator, field.name)
        if isinstance(value, np.ndarray):
            changes[field.name] = value.reshape(-1)[:1]
        elif isinstance(value, Rescale):
            changes[field.name] = _single_channel(value)
    return replace(operator, **changes)
