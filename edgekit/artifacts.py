"""Names and marks of the files of a build and of a work folder: what the compilers write and every reader looks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

__all__ = [
    "BUILT_SUFFIXES",
    "MANIFEST_NAME",
    "MODIFIED",
    "PART_SUFFIXES",
    "QUANTIZED_SUFFIX",
    "QUANT_INFO_SUFFIX",
    "SIM_MAGIC",
    "Part",
    "model_prefix",
    "part_name",
    "quantized_path",
]

SIM_MAGIC = b"EDGEKIT-SIM"  # how the simulated compiler's .bin begins
MANIFEST_NAME = "manifest.json"
MODIFIED = "_modified"  # hb_model_modifier's suffix of a stripped model's stem
QUANTIZED_SUFFIX = "_quantized_model.onnx"
QUANT_INFO_SUFFIX = "_quant_info.json"
Part = Literal["bin", "modified_bin", "quantized", "quant_info", "calibrated", "optimized", "original"]
PART_SUFFIXES: Mapping[Part, str] = {  # of a build's parts, behind the yaml's output_model_file_prefix
    "bin": ".bin",
    "modified_bin": f"{MODIFIED}.bin",
    "quantized": QUANTIZED_SUFFIX,
    "quant_info": QUANT_INFO_SUFFIX,
    "calibrated": "_calibrated_model.onnx",
    "optimized": "_optimized_float_model.onnx",
    "original": "_original_float_model.onnx",
}
# What every build makes, sidecars included.
BUILT_SUFFIXES = (
    *(".bin", ".json", f"{MODIFIED}.bin", f"{MODIFIED}.json"),
    *(QUANTIZED_SUFFIX, "_quantized_model.json", QUANT_INFO_SUFFIX),
)


def part_name(prefix: str, part: Part) -> str:
    """Return the file name of a build's part.

    Args:
        prefix: The yaml's output_model_file_prefix.
        part: Which file.

    Returns:
        A plain name in the build's folder.
    """
    return prefix + PART_SUFFIXES[part]


def model_prefix(model: Path | str) -> str:
    """Return the prefix of the build that a `.bin`, quantized graph or their sidecar belongs to.

    Args:
        model: The file, or its name.

    Returns:
        Its stem without `MODIFIED` and "_quantized_model".
    """
    stem = Path(model).stem
    return stem.removesuffix(MODIFIED).removesuffix(Path(QUANTIZED_SUFFIX).stem)


def quantized_path(model: Path) -> Path:
    """Return where the quantized graph of a `.bin` lies by the toolchain's naming.

    Args:
        model: The .bin, stripped or not.

    Returns:
        A path beside it, whether or not a file is there.
    """
    return model.with_name(part_name(model_prefix(model), "quantized"))
