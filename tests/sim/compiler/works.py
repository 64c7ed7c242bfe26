"""Work folders as `edgekit calibrate` leaves them, on tiny models and a few generated images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgekit.export import cut_model
from edgekit.ops.letterbox import letterbox_image
from edgekit.spec import load_spec, sidecar_path
from tests.tiny_yolo import save_tiny_yolo

YAML = """\
model_parameters:
  onnx_model: ./tiny_heads.onnx
  march: {march}
  output_model_file_prefix: tiny
  working_dir: out
input_parameters:
  input_type_rt: {kind}
{layout}  input_space_and_range: {space}
  input_type_train: {train}
  input_layout_train: NCHW
  norm_type: data_scale
  scale_value: 0.003921568627451
calibration_parameters:
  cal_data_dir: ./calibration_data
  cal_data_type: float32
  calibration_type: {calibration}
  max_percentile: {percentile}
{more}compiler_parameters:
  compile_mode: latency
"""


def image(seed: int, size_wh: tuple[int, int] = (120, 80)) -> np.ndarray:
    """An image with structure at every scale: blurred noise, BGR uint8."""
    rng = np.random.default_rng(seed)
    width, height = size_wh
    layers = [cv2.resize(rng.uniform(0, 255, (n, n, 3)).astype(np.float32), (width, height)) for n in (2, 5, 13)]
    return np.clip(sum(layers) / 3 + rng.normal(0, 6, (height, width, 3)), 0, 255).astype(np.uint8)


def make_work(
    folder: Path,
    *,
    kind: str = "rgb",
    train: str = "rgb",
    space: str = "regular",
    calibration: str = "max",
    percentile: float = 1.0,
    march: str = "bayes-e",
    images: int = 3,
    more: str = "",
    **model: Any,
) -> Path:
    """A work folder for a tiny model; returns its yaml. `model` goes to tiny_yolo."""
    folder.mkdir(parents=True, exist_ok=True)
    stock = save_tiny_yolo(folder / "stock.onnx", **model)
    cut_model(stock, folder / "tiny_heads.onnx")
    preprocess = load_spec(sidecar_path(folder / "tiny_heads.onnx")).preprocess
    data = folder / "calibration_data"
    data.mkdir()
    for seed in range(images):
        letterboxed, _ = letterbox_image(image(seed), preprocess)
        pixels = letterboxed if train == "bgr" else letterboxed[..., ::-1]
        pixels.transpose(2, 0, 1)[None].astype(np.float32).tofile(data / f"{seed}.rgbchw")
    text = YAML.format(
        kind=kind,
        train=train,
        space=space,
        layout="" if kind == "nv12" else "  input_layout_rt: NCHW\n",
        calibration=calibration,
        percentile=percentile,
        march=march,
        more=more,
    )
    yaml = folder / "tiny.yaml"
    yaml.write_text(text)
    return yaml
