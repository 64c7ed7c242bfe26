"""What one run of a node costs, before it runs: by the reference, which is the slower execution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.sim.budget import Cost
from edgekit.sim.ops.conv import Conv
from edgekit.sim.ops.conv_transpose import ConvTranspose
from edgekit.sim.ops.matmul import Matmul
from edgekit.sim.ops.operator import Operator
from edgekit.sim.ops.roi_resize import RoiResize
from edgekit.sim.ops.window import Window
from edgekit.sim.tensor import TensorType

ELEMENT = 64  # multiply-adds of a convolution that take as long as one element of anything else
TAP = 1 << 18  # as long as the numpy calls for one position of a window, however small the tensors
READ_BYTES, PADDED_BYTES, MADE_BYTES = 8, 16, 24  # per element: 64-bit copies and intermediate results


def operator_cost(operator: Operator, operands: Sequence[TensorType]) -> Cost:
    """What a run of an operator of this package costs (float operators: see `float_cost`)."""
    made = sum(output.size for output in operator.outputs)
    read = sum(operand.size for operand in operands)
    usual = Cost((made + read) * ELEMENT, read * READ_BYTES + made * MADE_BYTES)
    if isinstance(operator, Conv):
        taps = math.prod(operator.window.kernel)
        work = made * taps * operator.weight.shape[3] + made * ELEMENT + taps * TAP
        return Cost(work, _padded(operator.window, operands[0]) * PADDED_BYTES + made * MADE_BYTES)
    if isinstance(operator, ConvTranspose):
        _, height, width, per_group = operator.weight.shape
        work = read * height * width * per_group + made * ELEMENT + height * width * TAP
        return Cost(work, (read + _scattered(operator, operands[0])) * PADDED_BYTES + made * MADE_BYTES)
    if isinstance(operator, Matmul):
        return Cost(usual.work + made * operands[0].shape[-1], usual.scratch)
    if isinstance(operator, RoiResize):
        n, height, _, channels = operands[0].shape
        across = n * height * operator.outputs[0].shape[2] * channels  # resized along the width only
        return Cost(usual.work + across * ELEMENT, usual.scratch + across * MADE_BYTES)
    window = getattr(operator, "window", None)
    if isinstance(window, Window):  # poolings
        taps = math.prod(window.kernel)
        return Cost(taps * (made * ELEMENT + TAP), _padded(window, operands[0]) * PADDED_BYTES + made * MADE_BYTES)
    return usual


def float_cost(op_type: str, attributes: Mapping[str, Any], operands: Sequence[tuple[int, ...]], elements: int) -> Cost:
    """What a run of a float operator costs: operands of these shapes, and a result of so many elements."""
    read = sum(math.prod(shape) for shape in operands)
    work = (elements + read) * ELEMENT
    weights = math.prod(operands[1][1:]) if len(operands) > 1 else 1
    if op_type == "Conv":
        work += elements * weights
    elif op_type == "ConvTranspose":
        work += math.prod(operands[0]) * weights
    elif op_type in ("MatMul", "Gemm"):
        work += elements * max(max(shape, default=1) for shape in operands)
    elif op_type in ("MaxPool", "AveragePool"):
        kernel = attributes.get("kernel_shape", ())
        sizes = kernel if isinstance(kernel, list | tuple) else (kernel,)
        work += elements * math.prod(max(1, size) for size in sizes if isinstance(size, int)) * ELEMENT
    return Cost(work, (read + elements) * READ_BYTES)


def _padded(window: Window, x: TensorType) -> int:
    """Elements of `x` with the padding around it, and what a window's last position reaches beyond."""
    n, height, width, channels = x.shape
    sides = []
    for axis, (size, out) in enumerate(zip((height, width), window.out_hw((height, width)), strict=True)):
        reach = (out - 1) * window.strides[axis] + window.dilations[axis] * (window.kernel[axis] - 1) + 1
        sides.append(max(size + window.pads[axis] + window.pads[axis + 2], reach))
    return n * sides[0] * sides[1] * channels


def _scattered(conv: ConvTranspose, x: TensorType) -> int:
    """Elements of a transposed convolution's result before it is cropped."""
    n, *in_hw, _ = x.shape
    _, *out_hw, channels = conv.outputs[0].shape
    sides = []
    for axis in (0, 1):
        kernel = conv.weight.shape[1 + axis]
        reach = (in_hw[axis] - 1) * conv.strides[axis] + conv.dilations[axis] * (kernel - 1) + 1
        sides.append(max(reach, conv.pads[axis] + out_hw[axis]))
    return n * sides[0] * sides[1] * channels
