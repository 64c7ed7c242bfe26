"""Add, Sub, Mul and the global average, and the rescaling of a tensor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgekit.bpu import INT_MAX, MULTIPLIER_MAX
from edgekit.graph.float_graph import FloatNode, unsupported
from edgekit.sim.compiler.emit.writer import NHWC, GraphWriter
from edgekit.sim.compiler.requantize import epilogue_params, multiplier

OPS = {"Add": "HzSElementwiseAdd", "Sub": "HzSElementwiseSub", "Mul": "HzSElementwiseMul"}
MAX_ADD_SHIFT = 20  # x << 20 of an int8 stays clear of 32 bits
MAX_ADD_SHIFT_INT16 = {8: 23, 16: 15}  # beside or with int16, by x's bits: both operands stay below 2^30


def emit_add(writer: GraphWriter, node: FloatNode) -> None:
    """HzSElementwiseAdd: both operands at the scale of a fine accumulator, the coarser one shifted up."""
    x, e = sorted(node.inputs, key=writer.scale, reverse=True)
    if node.op == "Sub" and x != node.inputs[0]:
        raise unsupported(node, "subtracts the tensor with the larger range")
    _same_shape(writer, node)
    ratio = writer.scale(e) / writer.scale(x)
    with_int16 = 16 in (writer.bits(x), writer.bits(e))
    max_shift = MAX_ADD_SHIFT_INT16[writer.bits(x)] if with_int16 else MAX_ADD_SHIFT
    x_shift = min(15 + math.floor(-math.log2(ratio)), max_shift) if ratio < 1 else 14
    e_scale = min(round(ratio * 2**x_shift), MULTIPLIER_MAX)
    factor = writer.scale(x) / 2**x_shift / writer.scale(node.output)
    accu = _accu_shift(writer, node, factor)
    attrs = {"x_shift": x_shift, "e_scale": e_scale}
    if node.op == "Add":
        attrs["e_shift"] = 0
    _add_node(writer, node, (x, e), attrs, accu, factor)


def emit_mul(writer: GraphWriter, node: FloatNode) -> None:
    """HzSElementwiseMul: the product of two int8 fits the 16 bits between the shifts as it is, wider ones do not.

    A gate of channels (1, C, 1, 1) or of pixels (1, 1, H, W) is the second operand and is broadcast.
    """
    x, e = _gated(writer, node)
    factor = writer.scale(x) * writer.scale(e) / writer.scale(node.output)
    bytewise = writer.bits(x) == writer.bits(e) == 8
    _add_node(writer, node, (x, e), {}, 0 if bytewise else _accu_shift(writer, node, factor), factor)


def _accu_shift(writer: GraphWriter, node: FloatNode, factor: float) -> int:
    """The smallest shift that keeps every output in range clear of the 16 bits in between."""
    return max(0, math.ceil(math.log2(2.0 ** (writer.bits(node.output) - 16) / factor)))


def _add_node(
    writer: GraphWriter,
    node: FloatNode,
    operands: tuple[str, str],
    attrs: dict[str, int],
    accu_right_shift: int,
    factor: float,
) -> None:
    output = multiplier(factor * 2.0**accu_right_shift, location=f"node {node.name!r}")
    channels = writer.channels(node.output)
    numbers: dict[str, Any] = attrs | {
        "accu_right_shift": accu_right_shift,
        "output_scale": int(output.scale[0]),
        "output_right_shift": int(output.shift[0]),
    }
    attributes: dict[str, Any] = {key: np.full(channels, value, np.int64) for key, value in numbers.items()}
    inputs = [writer.read(name, NHWC) for name in operands]
    target = writer.write(node.output)
    bits = writer.bits(node.output)
    writer.add(
        OPS[node.op],
        node.name,
        inputs,
        [target],
        reads=operands[0],
        **attributes,
        rounding_method="ROUND",
        output_bit=bits,
    )


def _gated(writer: GraphWriter, node: FloatNode) -> tuple[str, str]:
    """The operands of a product, the one of the result's shape first."""
    shapes = [writer.graph.shapes.get(name, ()) for name in node.inputs]
    result = writer.graph.shapes.get(node.output, ())
    fits = all(len(shape) == 4 and all(a in (1, b) for a, b in zip(shape, result, strict=True)) for shape in shapes)
    if len(result) != 4 or not fits or result not in shapes:
        raise unsupported(node, f"combines the shapes {list(shapes[0])} and {list(shapes[1])}")
    x, e = node.inputs
    return (x, e) if shapes[0] == result else (e, x)


def _same_shape(writer: GraphWriter, node: FloatNode) -> None:
    """Both of one shape, but for the maximum that a Softmax subtracts."""
    shapes = [writer.graph.shapes.get(name, ()) for name in node.inputs]
    if (shapes[0] != shapes[1] and not node.is_softmax_step) or len(shapes[0]) != 4:
        raise unsupported(node, f"combines the shapes {list(shapes[0])} and {list(shapes[1])}")


def to_int8(writer: GraphWriter, tensor: str, layout: str = NHWC) -> str:
    """`tensor` for an operation that takes int8 only: of the same range, in 8 bits."""
    return rescale_to(writer, tensor, int8_scale(writer, tensor), layout)


def int8_scale(writer: GraphWriter, tensor: str) -> float:
    """The float value of the integer 1 of what `to_int8` gives."""
    return writer.scale(tensor) * INT_MAX[writer.bits(tensor)] / INT_MAX[8]


def rescale_to(writer: GraphWriter, tensor: str, scale: float, layout: str = NHWC, bits: int = 8) -> str:
    """The integer tensor of `tensor`, brought to `scale` and `bits` where its own are others."""
    source = writer.read(tensor, layout)
    if writer.scale(tensor) == scale and writer.bits(tensor) == bits:
        return source
    name = f"{tensor}_calibrated_Requantize_{len(writer.nodes)}"
    target = f"{name}_requantized_output"
    _add_requantize(writer, name, source, target, tensor, writer.scale(tensor) / scale, layout, bits)
    return target


def add_requantize(writer: GraphWriter, source: str, target: str, tensor: str, factor: float) -> None:
    """Make the integer tensor of `tensor` (NHWC) from another one whose 1 is `factor` of its own."""
    name = f"{tensor}_Requantize"
    _add_requantize(writer, name, source, target, tensor, factor, NHWC, writer.bits(tensor))


def _add_requantize(
    writer: GraphWriter, name: str, source: str, target: str, tensor: str, factor: float, layout: str, bits: int
) -> None:
    axis = 3 if layout == NHWC else writer.rank(tensor) - 1
    size = writer.channels(tensor) if layout == NHWC else writer.graph.shapes[tensor][-1]
    to = multiplier(factor, location=f"the rescaling of {tensor!r}")
    writer.add(
        "HzRequantize",
        name,
        [source],
        [target],
        reads=tensor,
        axis=axis,
        bits=bits,
        method="Rescale",
        output_scale=np.full(size, to.scale[0]),
        output_right_shift=np.full(size, to.shift[0]),
    )


def emit_global_average(writer: GraphWriter, node: FloatNode) -> None:
    """HzSQuantizedGlobalAveragePool, which rounds to nearest by itself."""
    x = node.inputs[0]
    _, channels, height, width = writer.graph.shapes[x]
    factor = writer.scale(x) / (height * width) / writer.scale(node.output)
    params = epilogue_params(factor, bits=writer.bits(node.output), location=f"node {node.name!r}")
    writer.add(
        "HzSQuantizedGlobalAveragePool",
        node.name,
        [writer.read(x)],
        [writer.write(node.output)],
        reads=x,
        accu_right_shift=np.full(channels, params.right_shift[0]),
        output_scale=np.full(channels, params.scale[0]),
        output_right_shift=np.full(channels, params.out_shift[0]),
        output_bit=writer.bits(node.output),
    )
