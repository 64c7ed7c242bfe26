"""The shipped demo model, compiled by the simulated compiler: what is measured where the shared data is absent."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from edgekit.calibration.pipeline import calibrate
from edgekit.compilation.build import compile_model
from edgekit.demo.assets import copy_model, write_calibration_images


def build_demo() -> tuple[dict[str, Path], Path]:
    """({name: quantized graph}, stock float model) in a folder that goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="edgekit-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    stock = copy_model(folder / "demo_seg.onnx")
    write_calibration_images(folder / "images")
    work = calibrate(stock, folder / "images", folder / "work", num=8, input_kind="nv12", march="bayes-e")
    built = compile_model(work.yaml_path, toolchain="sim")
    quantized = next(built.bin_path.parent.glob("*_quantized_model.onnx"))
    return {"demo": quantized}, stock
