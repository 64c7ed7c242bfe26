"""GlobalAveragePool: the sum over the image, its divisor in the scale."""

from __future__ import annotations

import numpy as np

from edgekit.sim.compiler.emit.writer import GraphWriter
from edgekit.sim.compiler.float_graph import Node
from edgekit.sim.compiler.requantize_params import epilogue


def emit_global_average(writer: GraphWriter, node: Node) -> None:
    """HzSQuantizedGlobalAveragePool, which rounds to nearest by itself."""
    x = node.inputs[0]
    _, channels, height, width = writer.graph.shapes[x]
    factor = writer.scale(x) / (height * width) / writer.scale(node.output)
    end = epilogue(factor, bits=writer.bits(node.output), place=f"node {node.name!r}")
    writer.add(
        "HzSQuantizedGlobalAveragePool",
        node.name,
        [writer.read(x)],
        [writer.write(node.output)],
        reads=x,
        accu_right_shift=np.full(channels, end.right_shift[0]),
        output_scale=np.full(channels, end.scale[0]),
        output_right_shift=np.full(channels, end.out_shift[0]),
        output_bit=writer.bits(node.output),
    )
