"""Operations that only move integers: Slice, Concat, MaxPool, Resize, Reshape, Transpose, Scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.graph.float_graph import FloatNode, unsupported
from edgekit.sim.compiler.emit.eltwise import rescale_to, to_int8
from edgekit.sim.compiler.emit.writer import NCHW, NHWC, NHWC_AXIS, TO_NCHW, TO_NHWC, GraphWriter

STEP_BITS = 16  # fraction bits of a position in an interpolated map
# ONNX's coordinate_transformation_mode -> the dialect's `align_mode`
ALIGNMENTS = {
    "half_pixel": "center",
    "pytorch_half_pixel": "center",
    "asymmetric": "origin",
    "align_corners": "given_step",
}


def emit_slice(writer: GraphWriter, node: FloatNode) -> None:
    """Slice along one axis, in the layout that its input has."""
    x = node.inputs[0]
    layout = writer.layout(x)
    axis = NHWC_AXIS[node.attrs["axis"]] if layout == NHWC else node.attrs["axis"]
    values = {"starts": node.attrs["start"], "ends": node.attrs["end"], "axes": axis}
    bounds = [writer.constant(f"{node.name}_{key}", np.array([value], np.int64)) for key, value in values.items()]
    source = writer.read(x, layout)
    target = writer.write(node.output, layout)
    writer.add("Slice", node.name, [source, *bounds], [target], reads=x, domain="")


def emit_concat(writer: GraphWriter, node: FloatNode) -> None:
    """Concat: branches of another scale are rescale_to first."""
    layout = NHWC if writer.rank(node.output) == 4 else NCHW
    axis = int(node.attrs["axis"]) % writer.rank(node.output)
    scale, bits = writer.scale(node.output), writer.bits(node.output)
    inputs = [rescale_to(writer, name, scale, layout, bits) for name in node.inputs]
    target = writer.write(node.output, layout)
    target_axis = NHWC_AXIS[axis] if layout == NHWC else axis
    writer.add("Concat", node.name, inputs, [target], reads=node.inputs[0], domain="", axis=target_axis)


def emit_max_pool(writer: GraphWriter, node: FloatNode) -> None:
    """HzQuantizedMaxPool."""
    if node.attrs.get("auto_pad", "NOTSET") != "NOTSET" or any(d != 1 for d in node.attrs.get("dilations", [])):
        raise unsupported(node, "uses auto_pad or dilations")
    source = writer.read(node.inputs[0])
    writer.add(
        "HzQuantizedMaxPool",
        node.name,
        [source],
        [writer.write(node.output)],
        reads=node.inputs[0],
        ceil_mode=int(node.attrs.get("ceil_mode", 0)),
        kernel_shape=list(node.attrs["kernel_shape"]),
        pads=list(node.attrs.get("pads", [0] * 4)),
        strides=list(node.attrs.get("strides", [1, 1])),
        output_bit=writer.bits(node.output),
    )


def emit_reduce_max(writer: GraphWriter, node: FloatNode) -> None:
    """HzQuantizedReduceMax over one axis of an image, which stays with size 1."""
    rank, axes = writer.rank(node.inputs[0]), list(node.attrs.get("axes", []))
    if rank != 4 or len(axes) != 1 or not node.attrs.get("keepdims", 1):
        raise unsupported(node, f"takes the maximum of {rank} axes over {axes or 'all'}, not of an image over one")
    writer.add(
        "HzQuantizedReduceMax",
        node.name,
        [writer.read(node.inputs[0])],
        [writer.write(node.output)],
        reads=node.inputs[0],
        axis=NHWC_AXIS[int(axes[0]) % rank],
        output_bit=writer.bits(node.output),
    )


def emit_resize(writer: GraphWriter, node: FloatNode) -> None:
    """Resize or Upsample, to a whole multiple by nearest neighbour or bilinearly; the BPU has it for int8 only."""
    if _mode(node) == "linear":
        _emit_linear_resize(writer, node)
        return
    before, after = (writer.graph.shapes[name] for name in (node.inputs[0], node.output))
    whole = len(before) == 4 and before[:2] == after[:2] and all(a % b == 0 for a, b in zip(after, before, strict=True))
    if node.attrs.get("mode", "nearest") != "nearest" or not whole:
        raise unsupported(node, f"resizes {list(before)} to {list(after)} other than by whole nearest steps")
    source = to_int8(writer, node.inputs[0])
    writer.add(
        "HzQuantizedResizeUpsample",
        node.name,
        [source],
        [writer.write(node.output)],
        reads=node.inputs[0],
        mode="nearest",
        scale=[after[2] // before[2], after[3] // before[3]],
    )


def _mode(node: FloatNode) -> str:
    return str(node.attrs.get("mode", "nearest"))


def _emit_linear_resize(writer: GraphWriter, node: FloatNode) -> None:
    """HzQuantizedRoiResize: where ONNX takes its samples decides the step and the first position."""
    before, after = (writer.graph.shapes[name] for name in (node.inputs[0], node.output))
    default = "half_pixel" if node.op == "Resize" else "asymmetric"
    mode = str(node.attrs.get("coordinate_transformation_mode", default))
    if len(before) != 4 or before[:2] != after[:2] or mode not in ALIGNMENTS:
        raise unsupported(node, f"resizes {list(before)} to {list(after)} by {mode!r}")
    attrs: dict[str, Any] = {"align_mode": ALIGNMENTS[mode]}
    if mode == "align_corners":
        pairs = zip(before[2:], after[2:], strict=True)
        attrs["step"] = [((n - 1) << STEP_BITS) // max(m - 1, 1) for n, m in pairs]
    writer.add(
        "HzQuantizedRoiResize",
        node.name,
        [to_int8(writer, node.inputs[0])],
        [writer.write(node.output)],
        reads=node.inputs[0],
        sizes=list(after[2:]),
        step_decimal_bit=STEP_BITS,
        pad_mode="boundary",
        is_interpolate_twice=0,
        **attrs,
    )


def emit_reshape(writer: GraphWriter, node: FloatNode) -> None:
    """Reshape and Flatten count axes as the float model does; where channels stay, channels stay last."""
    before, shape = (writer.graph.shapes[name] for name in (node.inputs[0], node.output))
    channels_stay = len(before) == len(shape) == 4 and before[:2] == shape[:2]
    layout = NHWC if channels_stay else NCHW
    sides = [shape[axis] for axis in TO_NHWC] if channels_stay else shape
    source = writer.read(node.inputs[0], layout)
    name = writer.constant(f"{node.name}_shape", np.array(sides, np.int64))
    target = writer.write(node.output, layout)
    writer.add("Reshape", node.name, [source, name], [target], reads=node.inputs[0], domain="")


def emit_transpose(writer: GraphWriter, node: FloatNode) -> None:
    """Transpose, axes as in the float model; none where only the order in which axes are counted changes."""
    x, perm = node.inputs[0], list(node.attrs["perm"])
    layout, identity = writer.layout(x), list(range(len(perm)))
    source = writer.read(x, layout)
    from_source = [TO_NCHW[axis] for axis in perm] if layout == NHWC and len(perm) == 4 else perm
    channels_last = [from_source[axis] for axis in TO_NHWC] if len(perm) == 4 else []
    if from_source == identity:
        writer.write(node.output, NCHW, name=source)
    elif channels_last == identity:
        writer.write(node.output, NHWC, name=source)
    else:
        target = writer.write(node.output, NCHW)
        writer.add("Transpose", node.name, [source], [target], reads=x, domain="", perm=from_source)


def emit_scale(writer: GraphWriter, node: FloatNode) -> None:
    """A positive factor changes what the integers mean, not the integers."""
    layout = writer.layout(node.inputs[0])
    writer.write(node.output, layout, name=writer.read(node.inputs[0], layout))
