"""The graph outputs: HzDequantize to the floats of the float model, NHWC."""

from __future__ import annotations

from typing import Any

from edgekit.sim.compiler.emit.writer import NCHW, NHWC, GraphWriter


def emit_outputs(writer: GraphWriter) -> None:
    """One HzDequantize per output: per channel on int32 accumulators, else with the tensor's one scale."""
    for name, tensor in writer.graph.outputs.items():
        layout = NHWC if writer.rank(tensor) == 4 else NCHW
        source = writer.read(tensor, layout)
        scale = writer.unit(tensor)
        constant = writer.constant(f"{tensor}_{name}_x_scale", scale)
        attrs: dict[str, Any] = {"axis": writer.rank(tensor) - 1} if scale.size > 1 else {}
        writer.add("HzDequantize", f"{tensor}_HzDequantize", [source, constant], [name], **attrs)
