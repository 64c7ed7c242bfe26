"""A stock export to an int8 .bin: python examples/compile_model.py EXPORT.onnx IMAGES WORK."""

from __future__ import annotations

import sys
from pathlib import Path

import edgekit


def main(export: str, images: str, work: str, toolchain: str = "auto") -> None:
    """Calibrate and compile; `toolchain` is auto (the vendor's where it is installed), sim or hb_mapper."""
    calibration = edgekit.calibrate(Path(export), Path(images), Path(work), num=20, input_kind="nv12")
    for warning in calibration.warnings:
        print("warning:", warning)
    build = edgekit.compile(calibration.yaml_path, toolchain=toolchain)
    for name, cosine in build.output_cosines.items():
        print(f"{name}: cosine {cosine:.4f} with the float model")
    print(f"{build.modified_bin_path or build.bin_path} by {build.toolchain}")


if __name__ == "__main__":
    main(*sys.argv[1:])
