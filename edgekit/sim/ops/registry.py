"""Which function reads which operator."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.sim.ops.average_pool import read_average_pool
from edgekit.sim.ops.bit_shift import read_bit_shift
from edgekit.sim.ops.blocks import read_channel_shuffle, read_depth_to_space, read_space_to_depth
from edgekit.sim.ops.conv import read_conv
from edgekit.sim.ops.conv_transpose import read_conv_transpose
from edgekit.sim.ops.dequantize import read_dequantize
from edgekit.sim.ops.elementwise_add import read_elementwise_add
from edgekit.sim.ops.elementwise_mul import read_elementwise_mul
from edgekit.sim.ops.elementwise_sub import read_elementwise_sub
from edgekit.sim.ops.float_op import EXACT, INEXACT, read_float_op
from edgekit.sim.ops.layout import (
    read_concat,
    read_flatten,
    read_identity,
    read_reshape,
    read_slice,
    read_split,
    read_squeeze,
    read_transpose,
    read_unsqueeze,
)
from edgekit.sim.ops.lut import read_lut
from edgekit.sim.ops.lut2layer import read_lut2layer
from edgekit.sim.ops.matmul import read_matmul
from edgekit.sim.ops.max_pool import read_max_pool
from edgekit.sim.ops.maximum import read_global_max_pool, read_max, read_reduce_max
from edgekit.sim.ops.operator import Operator
from edgekit.sim.ops.prelu import read_prelu, read_sprelu
from edgekit.sim.ops.preprocess import read_preprocess
from edgekit.sim.ops.quantize import read_quantize
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.reduce import read_global_average_pool, read_reduce
from edgekit.sim.ops.requantize import read_requantize
from edgekit.sim.ops.roi_resize import read_roi_resize
from edgekit.sim.ops.upsample import read_upsample

Read = Callable[[NodeReader], Operator]

HORIZON: dict[str, Read] = {
    "HzChannelShuffle": read_channel_shuffle,
    "HzDepthToSpace": read_depth_to_space,
    "HzDequantize": read_dequantize,
    "HzLeakyRelu": read_prelu,
    "HzLut": read_lut,
    "HzLut2Layer": read_lut2layer,
    "HzPRelu": read_prelu,
    "HzQuantize": read_quantize,
    "HzQuantizedAveragePool": read_average_pool,
    "HzQuantizedBitShift": read_bit_shift,
    "HzQuantizedGlobalMaxPool": read_global_max_pool,
    "HzQuantizedMaxPool": read_max_pool,
    "HzQuantizedReduceMax": read_reduce_max,
    "HzQuantizedResizeUpsample": read_upsample,
    "HzQuantizedRoiResize": read_roi_resize,
    "HzRequantize": read_requantize,
    "HzSElementwiseAdd": read_elementwise_add,
    "HzSElementwiseMul": read_elementwise_mul,
    "HzSElementwiseSub": read_elementwise_sub,
    "HzSPRelu": read_sprelu,
    "HzSQuantizedConv": read_conv,
    "HzSQuantizedConvTranspose": read_conv_transpose,
    "HzSQuantizedGlobalAveragePool": read_global_average_pool,
    "HzSQuantizedMatmul": read_matmul,
    "HzSQuantizedPreprocess": read_preprocess,
    "HzSQuantizedReduceMean": read_reduce,
    "HzSQuantizedReduceSum": read_reduce,
    "HzSpaceToDepth": read_space_to_depth,
}
STANDARD: dict[str, Read] = {
    **dict.fromkeys((*EXACT, *INEXACT), read_float_op),
    "Concat": read_concat,
    "Flatten": read_flatten,
    "Identity": read_identity,
    "Max": read_max,
    "Reshape": read_reshape,
    "Slice": read_slice,
    "Split": read_split,
    "Squeeze": read_squeeze,
    "Transpose": read_transpose,
    "Unsqueeze": read_unsqueeze,
}
OPERATORS: dict[tuple[str, str], Read] = {
    **{("horizon", name): read for name, read in HORIZON.items()},
    **{("", name): read for name, read in STANDARD.items()},
}
