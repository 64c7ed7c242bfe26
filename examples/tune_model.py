"""The setting that keeps the accuracy, compiled: python examples/tune_model.py EXPORT.onnx IMAGES OUTPUT MINUTES."""

from __future__ import annotations

import sys
from pathlib import Path

import edgekit


def progress(stage: str, done: int, total: int) -> None:
    """Print every stage once; a graphical program would move a bar."""
    if done == 0:
        print(stage, "...")


def main(export: str, images: str, output: str, minutes: str = "10") -> None:
    """Tune without labels (the agreement with the float model decides) and compile what was found."""
    options = edgekit.TuneOptions(minutes=float(minutes), input_kind="nv12", max_extra_cost=0.25, seed=7)
    tuned = edgekit.tune(Path(export), Path(images), Path(output), options, progress=progress)
    build = edgekit.compile(tuned.yaml, toolchain="sim")
    print(f"{build.modified_bin_path or build.bin_path} by {build.toolchain}")


if __name__ == "__main__":
    main(*sys.argv[1:])
