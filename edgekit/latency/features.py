"""What a layer asks of the BPU, in microseconds at the nominal rates of its units, before the fitted factors.

The rates are round numbers of the architecture as the vendor's static performance files show them: 2048 products of
8-bit operands per nanosecond, 32 bytes per nanosecond through the vector and copy units. Rows are padded to 8
elements, channels to 8, 16 or 32; the multiply array works on blocks of four rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from edgekit.latency.layer import FeatureMap, Layer

__all__ = ["ARRAY", "MOVEMENT", "VECTOR", "features", "group_of", "unit_of"]

ARRAY, VECTOR, MOVEMENT = "multiply array", "vector unit", "data movement"
PRODUCTS_PER_US = 2048e3
BYTES_PER_US = 32e3
ROW_BLOCK, WIDTH_BLOCK, CHANNEL_BLOCK = 4, 8, 8
KERNEL_OUT_BLOCK, POINTWISE_OUT_BLOCK = 16, 32  # output channels of a convolution
FIRST_CHANNELS = 5.5  # what the three channels of an image count as
STRIDED = {6: 1.92}  # products of a strided kernel over its taps, by its size: pixels between the steps, too
STRIDED_USUAL = 1.2
MATRIX_BLOCK = 16
SHORT_ROW = 32  # elements
PAIRED_ROWS = 64  # of a map whose channels move to the front
FEW_OUT = 12  # what up to eight output channels of a kernel count as
DEPTHWISE_PER_US = 550e3  # products of a depthwise convolution

UNITS = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Depthwise", "Grouped", "Matmul"), ARRAY),
    **dict.fromkeys(
        ("Concat", "Split", "Slice", "ToChannelsFirst", "ToChannelsLast", "Transpose", "Reshape", "Resize", "Blocks"),
        MOVEMENT,
    ),
}
ALIASES = {
    "ResizeUpsample": "Resize",
    "RoiResize": "Interpolate",
    "GlobalMaxPool": "Reduce",
    "GlobalAveragePool": "Reduce",
    "ReduceMax": "Reduce",
    "ReduceMean": "Reduce",
    "ReduceSum": "Reduce",
    "AveragePool": "Pool",
    "MaxPool": "Pool",
    "Flatten": "Reshape",
    "Squeeze": "Reshape",
    "Unsqueeze": "Reshape",
    "Identity": "Reshape",
    "ChannelShuffle": "Blocks",
    "DepthToSpace": "Blocks",
    "SpaceToDepth": "Blocks",
    "LeakyRelu": "PRelu",
    "SPRelu": "PRelu",
    "Max": "Add",
    "BitShift": "Requantize",
}


def group_of(layer: Layer) -> str:
    """Name the group of layers whose factors are fitted together, such as "Conv", "Conv int16" or "Conv int32 out"."""
    name = ALIASES.get(layer.op, layer.op)
    if name == "Conv" and layer.is_depthwise:
        name = "Scale" if layer.kernel == (1, 1) else "Depthwise"
    elif name == "Conv" and layer.group > 1:
        name = "Grouped"
    if name == "Lut" and layer.bits > 8:
        name = "Lut2Layer"
    if name == "Reshape":
        name = _kind_of_reshape(layer)
    if name in ("Conv", "Scale") and layer.outputs[0].bits == 32:
        name += " to int32"
    if name == "Preprocess" and layer.outputs[0].bits > 8:
        name += " to int16"
    return f"{name} int16" if layer.bits > 8 else name


def _kind_of_reshape(layer: Layer) -> str:
    """Whether rows are joined, divided, or divided into rows shorter than the copy unit's."""
    if _rows(layer.outputs[0]) <= _rows(layer.inputs[0]):
        return "Reshape"
    if layer.outputs[0].nhwc[3] >= SHORT_ROW:
        return "Reshape divide"
    return "Reshape product" if layer.reads_matmul else "Reshape short"


def unit_of(layer: Layer) -> str:
    """Name the unit that works on the layer: ARRAY, VECTOR or MOVEMENT."""
    return UNITS.get(group_of(layer).partition(" ")[0], VECTOR)


def features(layer: Layer) -> Mapping[str, float]:
    """Count what the layer asks for.

    Returns:
        Microseconds at nominal rates: "products", "out" and "in" (bytes written and read), "strided"
        (8-bit outputs written once more for such readers), "sums" (32-bit sums of 16-bit operands), "split" (16-bit
        operands of a strided kernel), "added" (a map added to the sums); and counts: "rows_out", "rows_in"
        (thousands of separate runs of elements), "columns" (of runs with the channels in front), "batched" (runs of
        several images) and "unpaired" (those of maps with an odd number of blocks), "plane" (elements of one head),
        "lines" (rows of an image) and "line_channels" (thousands: lines times channels), "start" (1).
    """
    out, read = (sum(map(_padded, maps)) for maps in (layer.outputs, layer.inputs))
    counts = {
        "start": 1.0,
        "out": out,
        "in": read,
        "strided": out if layer.strided_readers and layer.outputs[0].bits == 8 else 0.0,
        "transposed": _front_rows(layer.outputs[0]) / 1e3 if layer.transposed_readers else 0.0,
        "reduced": out if layer.reduced_readers else 0.0,
        "leaving": out if layer.is_output and layer.outputs[0].bits < 32 else 0.0,
        "rows_out": sum(map(_rows, layer.outputs)) / 1e3,
        "rows_in": sum(map(_rows, layer.inputs)) / 1e3,
        "columns": sum(map(_front_rows, layer.outputs)) / 1e3,
        "plane": math.prod(layer.inputs[0].nhwc[2:]) / 1e3 if layer.op == "Reshape" else 0.0,
        "lines": float(_lines(layer.outputs[0])),
        "line_channels": _lines(layer.outputs[0]) * layer.outputs[0].nhwc[3] / 1e3,
        "elements": sum(math.prod(feature_map.shape) for feature_map in layer.outputs) / 1e3,
    }
    if layer.inputs[0].nhwc[0] > 1:
        counts["batched"] = max(counts["rows_in"], counts["rows_out"])
        counts["unpaired"] = counts["rows_out"] if _is_unpaired(layer.inputs[0].nhwc[1]) else 0.0
    if layer.untransposed_readers:
        counts["untransposed"] = counts["rows_in"]
    count = PRODUCTS.get(group_of(layer).partition(" ")[0])
    if count is not None:
        counts["products"] = count(layer) * (2 if layer.bits > 8 else 1)
    if layer.op == "Matmul":
        counts |= _matmul_sizes(layer)
    if max(layer.stride) > 1:
        counts["strided_in"] = _padded(layer.inputs[0])
    if layer.op in ("Conv", "ConvTranspose"):
        counts["added"] = sum(map(_padded, layer.inputs[1:]))
        counts["sums"] = _padded(FeatureMap("", layer.outputs[0].shape, 32)) if layer.bits > 8 else 0.0
        counts["split"] = _padded(layer.inputs[0]) if layer.bits > 8 and max(layer.stride) > 1 else 0.0
    return counts


def _matmul_sizes(layer: Layer) -> Mapping[str, float]:
    """Thousands of elements of both operands and the result as a matrix product stores them, and its number."""
    n, heads, rows, depth = layer.inputs[0].nhwc
    columns = layer.outputs[0].nhwc[3]
    count, width = n * heads * layer.bits / 8, _matmul_side(columns)
    return {
        "first": count * rows * _matmul_side(depth) / 1e3,
        "second": count * _matmul_side(depth) * width / 1e3,
        "product": count * rows * width / 1e3,
        "heads": float(n * heads),
    }


def _matmul_side(size: int) -> int:
    """A side of a matrix product: multiples of 16 stay, others grow to a power of two."""
    return size if size % MATRIX_BLOCK == 0 else 1 << (size - 1).bit_length()


def _conv(layer: Layer) -> float:
    """Products of a convolution over the padded map, per group."""
    n, height, width, channels = layer.outputs[0].nhwc
    per_group = layer.inputs[0].nhwc[3] // layer.group
    taps = math.prod(layer.kernel)
    block = POINTWISE_OUT_BLOCK if taps == 1 else KERNEL_OUT_BLOCK
    out = _up(channels // layer.group, block) * layer.group
    if taps > 1 and channels <= CHANNEL_BLOCK:
        out = FEW_OUT
    read = FIRST_CHANNELS if per_group <= 4 else _up(per_group, CHANNEL_BLOCK)
    strided = STRIDED.get(layer.kernel[0], STRIDED_USUAL) if max(layer.stride) > 1 and taps > 1 else 1.0
    return n * _up(height, ROW_BLOCK) * _up(width, WIDTH_BLOCK) * out * read * taps * strided / PRODUCTS_PER_US


def _transposed(layer: Layer) -> float:
    """Products of a transposed convolution: every input pixel is multiplied with the whole kernel."""
    n, height, width, channels = layer.inputs[0].nhwc
    out = _up(layer.outputs[0].nhwc[3], KERNEL_OUT_BLOCK)
    taps = math.prod(layer.kernel)
    pixels = n * _up(height, ROW_BLOCK) * _up(width, WIDTH_BLOCK)
    return pixels * out * _up(channels, CHANNEL_BLOCK) * taps / PRODUCTS_PER_US


def _depthwise(layer: Layer) -> float:
    n, height, width, channels = layer.outputs[0].nhwc
    pixels = n * _up(height, ROW_BLOCK) * _up(width, WIDTH_BLOCK)
    return pixels * _up(channels, CHANNEL_BLOCK) * math.prod(layer.kernel) / DEPTHWISE_PER_US


def _matmul(layer: Layer) -> float:
    n, heads, rows, depth = layer.inputs[0].nhwc
    columns = layer.outputs[0].nhwc[3]
    size = _up(rows, CHANNEL_BLOCK) * _up(columns, KERNEL_OUT_BLOCK) * _up(depth, CHANNEL_BLOCK)
    return n * heads * size / PRODUCTS_PER_US


def _pool(layer: Layer) -> float:
    """Comparisons or additions: a window of k x k takes k passes over the map, row by row, column by column."""
    n, height, width, channels = layer.outputs[0].nhwc
    elements = n * _up(height, ROW_BLOCK) * _up(width, WIDTH_BLOCK) * _up(channels, CHANNEL_BLOCK)
    return elements * max(layer.kernel) * layer.outputs[0].bits / 8 / BYTES_PER_US


PRODUCTS: Mapping[str, Callable[[Layer], float]] = {
    "Conv": _conv,
    "Grouped": _conv,
    "ConvTranspose": _transposed,
    "Depthwise": _depthwise,
    "Matmul": _matmul,
    "Pool": _pool,
}


def _padded(feature_map: FeatureMap) -> float:
    """Microseconds to pass a map through the copy unit, padded."""
    n, height, width, channels = feature_map.nhwc
    block = POINTWISE_OUT_BLOCK if feature_map.bits == 32 else CHANNEL_BLOCK
    size = n * height * _up(width, WIDTH_BLOCK) * _up(channels, block)
    return size * feature_map.bits / 8 / BYTES_PER_US


def _front_rows(feature_map: FeatureMap) -> int:
    """Rows of the map with its channels in front."""
    n, height, _, channels = feature_map.nhwc
    return n * height * channels


def _is_unpaired(rows: int) -> bool:
    """Whether a block of rows is left without a second one: they move in pairs, on maps of 64 to 256 rows."""
    return rows >= PAIRED_ROWS and -(-rows // PAIRED_ROWS) % 2 == 1


def _lines(feature_map: FeatureMap) -> int:
    """Rows of pixels."""
    n, height, _, _ = feature_map.nhwc
    return n * height


def _rows(feature_map: FeatureMap) -> int:
    """Separate runs of elements along the last axis."""
    n, height, width, _ = feature_map.nhwc
    return n * height * width


def _up(size: int, block: int) -> int:
    return -(-size // block) * block
