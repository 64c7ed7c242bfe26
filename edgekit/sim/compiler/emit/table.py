"""Table: a function of one tensor, as 256 entries (int8) or as interpolated rows (int16)."""

from __future__ import annotations

import numpy as np

from edgekit.sim.compiler.emit.functions import Function, table_function
from edgekit.sim.compiler.emit.lut2layer import interpolated_table
from edgekit.sim.compiler.emit.writer import GraphWriter
from edgekit.sim.compiler.float_graph import Node, unsupported


def emit_table(writer: GraphWriter, node: Node) -> None:
    x, y = node.inputs[0], node.output
    function = table_function(node)
    layout = writer.layout(x)
    source = writer.read(x, layout)
    target = writer.write(y, layout)
    kind = str(node.attrs["function"])
    if writer.bits(x) < writer.bits(y):
        raise unsupported(node, "would make int16 of int8", "give its input 16 bits, too")
    if writer.bits(x) == 8:
        table = table_int8(function, writer.scale(x), writer.scale(y))
        entries = writer.constant(f"{node.name}_table_params", table)
        writer.add("HzLut", node.name, [source, entries], [target], reads=x, lut_type=kind)
    else:
        rows = interpolated_table(function, writer.scale(x), writer.scale(y), bits=writer.bits(y))
        attrs = rows.attributes() | {"lut_type": kind, "output_bit": writer.bits(y)}
        writer.add("HzLut2Layer", node.name, [source], [target], reads=x, **attrs)


def table_int8(function: Function, x_scale: float, y_scale: float) -> np.ndarray:
    """Entry i is the rounded, saturated output for the integer i - 128."""
    x = (np.arange(256) - 128) * x_scale
    return np.clip(np.rint(function(x) / y_scale), -128, 127).astype(np.int8)
