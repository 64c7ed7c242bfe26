"""The compiled `.bin` file: its protobuf message and what it says of the build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.binary.bin_format import BinInfo, BinInput, BinNode, BinOutput, looks_like_bin, read_bin
    from edgekit.binary.bin_sidecar import bin_spec, spec_as_built

__all__ = [
    "BinInfo",
    "BinInput",
    "BinNode",
    "BinOutput",
    "bin_spec",
    "looks_like_bin",
    "read_bin",
    "spec_as_built",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "BinInfo": "edgekit.binary.bin_format",
        "BinInput": "edgekit.binary.bin_format",
        "BinNode": "edgekit.binary.bin_format",
        "BinOutput": "edgekit.binary.bin_format",
        "bin_spec": "edgekit.binary.bin_sidecar",
        "looks_like_bin": "edgekit.binary.bin_format",
        "read_bin": "edgekit.binary.bin_format",
        "spec_as_built": "edgekit.binary.bin_sidecar",
    },
)
