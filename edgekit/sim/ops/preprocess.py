"""HzSQuantizedPreprocess: normalisation and colour matrix of the input as a 1x1 convolution."""

from __future__ import annotations

from edgekit.bpu import INPUT_TYPES
from edgekit.sim.ops.conv import Conv, read_bias
from edgekit.sim.ops.epilogue import read_epilogue
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.window import Window
from edgekit.sim.tensor import int_type

KNOWN_INPUT_TYPES = (*INPUT_TYPES, "YUV444_128")


def read_preprocess(node: NodeReader) -> Conv:
    """Weights are (O, 1, 1, I/group): diagonal for rgb, a full 3x3 matrix for YUV."""
    node.expect_inputs(3, 4)
    x = node.operand(0, ("int8",), rank=4)
    weight = node.constant(1, ("int8",), (-1, 1, 1, -1))
    node.choice("input_type", KNOWN_INPUT_TYPES)
    group = node.integer("channel_group", 1, 1 << 16, 1)
    channels = weight.shape[0]
    node.require(
        x.channels == weight.shape[3] * group and channels % group == 0,
        f"weights {list(weight.shape)} in {group} groups over {x.channels} channels",
        "O, 1, 1, channels/group",
    )
    bias = read_bias(node, channels)
    epilogue = read_epilogue(node, channels)
    node.ignore("weight_thresholds")
    node.nhwc()
    out = int_type((*x.shape[:3], channels), epilogue.bits)
    return Conv(weight, bias, Window((1, 1), (1, 1), (0, 0, 0, 0), (1, 1)), group, None, epilogue, (out,))
