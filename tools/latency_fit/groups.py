"""Which features explain which group of layers, found on the vendor's per-layer figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

USUAL = ("out", "in", "strided", "reduced", "leaving", "start")
ROWS = ("rows_out", "rows_in", "batched", "elements", "start")
WIDE_CONV = ("products", "sums", "split", "in", "out", "start")
FEATURES: Mapping[str, Sequence[str]] = {
    "Conv": ("products", "strided", "transposed", "added", "out", "start"),
    "Conv int16": WIDE_CONV,
    "Conv to int32": ("products", "out", "start"),
    "Conv to int32 int16": ("products", "in", "out", "start"),
    "ConvTranspose": ("products", "out", "start"),
    "Depthwise": ("products", "strided", "strided_in", "out", "start"),
    "Depthwise int16": WIDE_CONV,
    "Scale": ("out", "start"),
    "Matmul": ("products", "product", "first", "second", "heads", "start"),
    "Matmul int16": ("products", "product", "first", "second", "heads", "start"),
    "Pool": ("products", "out", "strided", "start"),
    "Pool int16": ("lines", "line_channels", "start"),
    "Reshape": ("rows_in", "elements", "out", "start"),
    "Reshape short": ("rows_out", "plane", "elements", "start"),
    "Reshape product": ("rows_out", "elements", "start"),
    "Reshape divide": ("rows_out", "columns", "elements", "start"),
    "ToChannelsFirst": ("rows_out", "batched", "unpaired", "elements", "start"),
    "ToChannelsLast": ("rows_in", "batched", "elements", "start"),
    "Transpose": ("rows_out", "rows_in", "batched", "out", "start"),
    "Split": ("in", "rows_in", "rows_out", "untransposed", "batched", "elements", "start"),
    "Resize": ("out", "in", "rows_out", "strided", "start"),
    "Mul": ("out", "in", "rows_out", "batched", "start"),
    "Reduce": ("in", "rows_in", "start"),
}
# Groups whose large layers matter more than that every row fits: what attention moves about.
EVEN = (
    "Matmul",
    "Mul",
    "Pool int16",
    "Reduce",
    "Reshape divide",
    "Reshape product",
    "Reshape short",
    "Split",
    "ToChannelsFirst",
    "ToChannelsLast",
    "Transpose",
)


def features_of(group: str) -> Sequence[str]:
    """Return the features that are fitted for a group."""
    return FEATURES.get(group, USUAL)
