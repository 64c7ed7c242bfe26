"""MatMul of two tensors, the sum of a Softmax in steps, and a Softmax in floats between HzDequantize and HzQuantize."""

from __future__ import annotations

import numpy as np

from edgekit.graph.float_graph import FloatNode, unsupported
from edgekit.sim.compiler.emit.writer import NCHW, NHWC_AXIS, GraphWriter
from edgekit.sim.compiler.requantize import epilogue_params


def emit_matmul(writer: GraphWriter, node: FloatNode) -> None:
    """HzSQuantizedMatmul, axes as in the float model; its end rounds by itself."""
    a, b = node.inputs
    factor = writer.scale(a) * writer.scale(b) / writer.scale(node.output)
    params = epilogue_params(factor, bits=8, location=f"node {node.name!r}")
    writer.add(
        "HzSQuantizedMatmul",
        node.name,
        [writer.read(a, NCHW), writer.read(b, NCHW)],
        [writer.write(node.output, NCHW)],
        reads=a,
        right_shift=params.right_shift,
        scale=params.scale,
        out_shift=params.out_shift,
        output_bit=8,
        rounding_method="ROUND",
    )


def emit_reduce_sum(writer: GraphWriter, node: FloatNode) -> None:
    """HzSQuantizedReduceSum over one axis of an image, which stays with size 1; its end rounds by itself."""
    x, axes = node.inputs[0], list(node.attrs.get("axes", []))
    if writer.rank(x) != 4 or len(axes) != 1 or not node.attrs.get("keepdims", 1):
        raise unsupported(node, f"sums {writer.rank(x)} axes over {axes or 'all'}, not an image over one")
    factor = writer.scale(x) / writer.scale(node.output)
    params = epilogue_params(factor, bits=8, location=f"node {node.name!r}")
    channels = writer.channels(x)
    writer.add(
        "HzSQuantizedReduceSum",
        node.name,
        [writer.read(x)],
        [writer.write(node.output)],
        reads=x,
        axis=NHWC_AXIS[int(axes[0]) % writer.rank(x)],
        keepdims=1,
        accu_right_shift=np.full(channels, params.right_shift[0]),
        scale=np.full(channels, params.scale[0]),
        out_shift=np.full(channels, params.out_shift[0]),
        output_bit=8,
    )


def emit_softmax(writer: GraphWriter, node: FloatNode) -> None:
    """Softmax over the last axis, on floats between HzDequantize and HzQuantize."""
    x, y = node.inputs[0], node.output
    default = -1 if writer.graph.opset >= 13 else 1
    axis = int(node.attrs.get("axis", default)) % writer.rank(x)
    if axis != writer.rank(x) - 1:
        raise unsupported(node, f"runs over axis {axis}, not over the last one")
    x_scale = writer.constant(f"{node.name}_x_scale", np.array([writer.scale(x)], np.float32))
    y_scale = writer.constant(f"{node.name}_y_scale", np.array([writer.scale(y)], np.float32))
    floats = (f"{x}_dequantized", f"{y}_float")
    writer.add("HzDequantize", f"{x}_HzDequantize", [writer.read(x, NCHW), x_scale], [floats[0]])
    writer.add("Softmax", node.name, [floats[0]], [floats[1]], reads=x, domain="", axis=axis)
    target = writer.write(y, NCHW)
    writer.add("HzQuantize", f"{y}_HzQuantize", [floats[1], y_scale], [target])
