"""Conv and ConvTranspose: int8 weights per output channel, rounding offset in the bias."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.bpu import INT_MAX, WEIGHT_MAX
from edgekit.graph.float_graph import FloatNode, unsupported
from edgekit.sim.compiler.emit.eltwise import add_requantize, emit_add, int8_scale, to_int8
from edgekit.sim.compiler.emit.writer import GraphWriter
from edgekit.sim.compiler.requantize import epilogue_params, multiplier
from edgekit.sim.compiler.scales import takes_int8

BIAS_MAX = {8: 2.0**22, 16: 2.0**29}  # by the input's bits: below 2^24, exact in float32; below 2^31
MIN_SHIFT = {8: 0, 16: 8}  # of the accumulator, by the input's bits
# Accumulator scale over output scale of a channel that hardly contributes, by the input's bits.
LARGEST_SUM_FACTOR = 2.0**14  # scale of what joins a sum over the accumulator's: their multiplier has 15 bits
SMALLEST_FACTOR = {8: 2.0**-16, 16: 2.0**-23}


def emit_conv(writer: GraphWriter, node: FloatNode) -> None:
    """HzSQuantizedConv; a graph output stays at accumulator width (high_precision_output).

    A convolution that joins a sum is made where the sum stands (`emit_sum`).
    """
    if node.output not in writer.plan.joined:
        _emit_conv(writer, node, node.output, None)


def emit_sum(writer: GraphWriter, node: FloatNode) -> None:
    """HzSElementwiseAdd, or the convolution in front of it with the other operand in its accumulator (use_sumin)."""
    joined = next((name for name in node.inputs if writer.plan.joined.get(name) == node.name), None)
    if joined is None:
        emit_add(writer, node)
        return
    sum_in = next(name for name in node.inputs if name != joined)
    _emit_conv(writer, writer.graph.producers()[joined], node.output, sum_in)


def _emit_conv(writer: GraphWriter, node: FloatNode, result: str, sum_in: str | None) -> None:
    x, weight, bias = _operands(writer, node)
    x_scale, x_bits = writer.scale(node.inputs[0]), writer.bits(node.inputs[0])
    if takes_int8(node):
        x, x_scale, x_bits = to_int8(writer, node.inputs[0]), int8_scale(writer, node.inputs[0]), 8
    grid = writer.graph.declared.grid(node.inputs[1], weight, axis=0)
    peaks = np.abs(weight).max(axis=(1, 2, 3)) if grid is None else grid * WEIGHT_MAX
    step = weight_steps(writer, result, peaks, bias, x_scale=x_scale, x_bits=x_bits)
    if sum_in is not None:
        step = np.maximum(step, writer.scale(sum_in) / x_scale / LARGEST_SUM_FACTOR)
    quantized = _round_weights(weight / step[:, None, None, None]).transpose(0, 2, 3, 1)
    attrs = _window(node, weight.shape[2:])
    attrs |= {"use_bias": 1, "weight_thresholds": _thresholds(step, peaks)}
    accumulator = _rounded(x_scale * step)
    is_accumulator = result not in writer.plan.source
    raised_scale = None if is_accumulator else _scale_for_int16_input(writer, result, accumulator, x_bits)
    ending, offset = _ending(writer, node, result, accumulator, raised_scale=raised_scale, x_bits=x_bits)
    attrs |= ending
    if "activation" in node.attrs:
        attrs["activation"] = node.attrs["activation"]
    bias_int = _round_bias(bias / accumulator, offset)
    inputs = [x, *_constants(writer, node, quantized, bias_int)]
    if sum_in is not None:
        factor = multiplier(writer.scale(sum_in) / accumulator, location=f"node {node.name!r}")
        inputs.append(writer.read(sum_in))
        attrs |= {"use_sumin": 1, "e_scale": factor.scale, "e_shift": -factor.shift}
    if raised_scale is None:
        output = writer.write(result, accumulator_scale=accumulator if is_accumulator else None)
    else:
        output = f"{result}_raised_quantized"
    writer.add("HzSQuantizedConv", node.name, inputs, [output], reads=node.inputs[0], **attrs)
    if raised_scale is not None:
        add_requantize(writer, output, writer.write(result), result, raised_scale / writer.scale(result))


def _ending(
    writer: GraphWriter,
    node: FloatNode,
    result: str,
    accumulator: np.ndarray,
    *,
    raised_scale: float | None,
    x_bits: int,
) -> tuple[dict[str, Any], Any]:
    """How the accumulator ends, as attributes, and the rounding offset that goes into the bias."""
    if result not in writer.plan.source:
        return {"output_bit": 32, "high_precision_output": 1}, 0.0
    bits = 16 if raised_scale else writer.bits(result)
    params = epilogue_params(
        accumulator / (raised_scale or writer.scale(result)),
        bits=bits,
        min_shift=MIN_SHIFT[x_bits],
        location=f"node {node.name!r}",
    )
    attrs = {"output_bit": bits, "right_shift": params.right_shift, "scale": params.scale}
    return attrs | {"out_shift": params.out_shift, "high_precision_output": 0}, params.offset


def _constants(writer: GraphWriter, node: FloatNode, weight: np.ndarray, bias: np.ndarray) -> list[str]:
    return [
        writer.constant(f"{node.name}_weight_quantized", weight),
        writer.constant(f"{node.name}_bias_quantized", bias),
        writer.constant(f"{node.name}_bias_b_scale", np.zeros(bias.size, np.int8)),
    ]


def _scale_for_int16_input(writer: GraphWriter, tensor: str, accumulator: np.ndarray, x_bits: int) -> float | None:
    """The scale that a convolution of 16-bit inputs needs instead of its own; None where its own will do.

    The BPU drops at least a byte of such an accumulator, so that 1 of the largest channel is at most 1/127 of 16-bit
    output. Where the calibrated range is smaller, it computes 16 bits of a larger range and rescales these.
    """
    if x_bits != 16:
        return None
    min_scale = float(np.float32(accumulator.max()) * np.float32(WEIGHT_MAX))
    of_16_bits = writer.scale(tensor) * INT_MAX[writer.bits(tensor)] / INT_MAX[16]
    return min_scale if min_scale > of_16_bits else None


def emit_conv_transpose(writer: GraphWriter, node: FloatNode) -> None:
    """HzSQuantizedConvTranspose, int8 to int8: weights (I, kh, kw, O/group), thresholds per output channel."""
    _, weight, bias = _operands(writer, node)  # (I, O/group, kh, kw)
    x, x_scale = to_int8(writer, node.inputs[0]), int8_scale(writer, node.inputs[0])
    group = int(node.attrs.get("group", 1))
    per_group = weight.reshape(group, -1, *weight.shape[1:])  # (group, I/group, O/group, kh, kw)
    peaks = np.abs(per_group).max(axis=(1, 3, 4)).reshape(-1)
    grid = writer.graph.declared.grid(node.inputs[1], weight, axis=1) if group == 1 else None
    peaks = peaks if grid is None else grid * WEIGHT_MAX
    step = weight_steps(writer, node.output, peaks, bias, x_scale=x_scale, x_bits=8)
    scaled = per_group / step.reshape(group, 1, -1, 1, 1)
    quantized = _round_weights(scaled.reshape(weight.shape)).transpose(0, 2, 3, 1)
    accumulator = _rounded(x_scale * step)
    params = epilogue_params(accumulator / writer.scale(node.output), bits=8, location=f"node {node.name!r}")
    bias_int = _round_bias(bias / accumulator, params.offset)
    attrs = _window(node, weight.shape[2:])
    if any(node.attrs.get("output_padding", [])):
        attrs["output_padding"] = list(node.attrs["output_padding"])
    if "activation" in node.attrs:
        attrs["activation"] = node.attrs["activation"]
    attrs |= {"use_bias": 1, "weight_thresholds": _thresholds(step, peaks)}
    attrs |= {"accu_right_shift": params.right_shift, "y_quant_scale": params.scale}
    attrs |= {"y_right_shift": params.out_shift, "b_left_shift": np.zeros(bias_int.size, np.int64)}
    inputs = [
        x,
        writer.constant(f"{node.name}_weight_quantized", quantized),
        writer.constant(f"{node.name}_bias_quantized", bias_int),
    ]
    output = writer.write(node.output)
    writer.add("HzSQuantizedConvTranspose", node.name, inputs, [output], reads=node.inputs[0], **attrs)


def weight_steps(
    writer: GraphWriter, result: str, peaks: np.ndarray, bias: np.ndarray, *, x_scale: float, x_bits: int
) -> np.ndarray:
    """The float value of a weight's integer 1, per output channel: the peak over 127.

    Channels with hardly any weight get a larger step, so that bias and shifts still fit their integers.
    """
    min_step = np.abs(bias) / (x_scale * BIAS_MAX[x_bits])
    if result in writer.plan.source:
        min_step = np.maximum(min_step, writer.scale(result) / x_scale * SMALLEST_FACTOR[x_bits])
    steps: np.ndarray = np.maximum(np.maximum(peaks / WEIGHT_MAX, min_step), np.finfo(np.float32).tiny)
    return _rounded(steps)


def _rounded(scales: np.ndarray) -> np.ndarray:
    """Scales as float32, which the vendor's compiler keeps them in; what it makes of them is float64."""
    rounded: np.ndarray = scales.astype(np.float32).astype(np.float64)
    return rounded


def _thresholds(steps: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """The largest weights that the integers hold: the peaks themselves, unless a channel has a larger step."""
    own = peaks.astype(np.float32)
    thresholds: np.ndarray = np.where(
        own / np.float32(WEIGHT_MAX) == steps, own, (steps * WEIGHT_MAX).astype(np.float32)
    )
    return thresholds


def _operands(writer: GraphWriter, node: FloatNode) -> tuple[str, np.ndarray, np.ndarray]:
    constants = writer.graph.constants
    if any(name not in constants for name in node.inputs[1:] if name):
        raise unsupported(node, "computes its weights")
    if writer.rank(node.inputs[0]) != 4:
        raise unsupported(node, f"works on {writer.rank(node.inputs[0])} axes, not on images")
    weight = constants[node.inputs[1]].astype(np.float64)
    group = int(node.attrs.get("group", 1))
    channels = weight.shape[0] if node.op == "Conv" else weight.shape[1] * group
    has_bias = len(node.inputs) > 2 and node.inputs[2]
    bias = constants[node.inputs[2]].astype(np.float64) if has_bias else np.zeros(channels)
    if not np.all(np.isfinite(weight)) or not np.all(np.isfinite(bias)):
        raise unsupported(node, "has weights that are not finite", "export the model again from a sound checkpoint")
    return writer.read(node.inputs[0]), weight, bias


def _window(node: FloatNode, kernel: tuple[int, ...]) -> dict[str, Any]:
    if node.attrs.get("auto_pad", "NOTSET") != "NOTSET":
        raise unsupported(node, "uses auto_pad")
    return {
        "dilations": list(node.attrs.get("dilations", [1, 1])),
        "group": int(node.attrs.get("group", 1)),
        "kernel_shape": list(kernel),
        "pads": list(node.attrs.get("pads", [0] * 4)),
        "strides": list(node.attrs.get("strides", [1, 1])),
    }


def _round_weights(scaled: np.ndarray) -> np.ndarray:
    """Weights to the nearest integer, those in the middle away from 0, as the vendor's compiler rounds them.

    Exports of half-precision weights have many in the middle: half of a channel's peak is 63.5 steps.
    """
    nearest = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
    rounded: np.ndarray = np.clip(nearest, -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8)
    return rounded


def _round_bias(scaled: np.ndarray, offset: Any) -> np.ndarray:
    """Bias and offset are rounded separately, as in the vendor's builds (4,750 of 4,752 biases of a yolov5n)."""
    rounded: np.ndarray = np.clip(np.rint(scaled) + np.rint(offset), -(1 << 30), 1 << 30).astype(np.int32)
    return rounded
