"""The simulated compiler on the trained model: how much of what floats find do its integers find again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.calibration.pipeline import calibrate
from edgekit.compilation.build import compile_model
from edgekit.ops.boxes import box_iou
from edgekit.ops.image import read_image
from edgekit.results import Results
from edgekit.runtime.session import load
from edgekit.spec import InputKind
from tests.typed import detections

SCORE, IOU = 0.4, 0.8
BAR_FOUND, BAR_COSINE = 0.97, 0.98


def found_again(truth: Results, found: Results) -> np.ndarray:
    """Per detection of `truth` at SCORE or more: whether one of `found` has its class and a box of IOU or more."""
    wanted = detections(truth).scores >= SCORE
    overlap = box_iou(detections(truth).boxes_xyxy[wanted], detections(found).boxes_xyxy)
    same = detections(truth).class_ids[wanted][:, None] == detections(found).class_ids[None, :]
    return np.any((overlap >= IOU) & same, axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rgb", "nv12"])
def test_trained_model_keeps_its_detections(shared_data: Path, tmp_path: Path, kind: InputKind) -> None:
    model, images = shared_data / "models/yolov8n-seg.onnx", shared_data / "coco/images"
    work = calibrate(model, images / "train", tmp_path / "work", num=50, input_kind=kind)
    result = compile_model(work.yaml_path, toolchain="sim")
    assert result.modified_bin_path is not None
    print(kind, {name: round(value, 4) for name, value in result.output_cosines.items()}, result.notes)
    assert min(result.output_cosines.values()) >= BAR_COSINE
    floats, device = load(model, conf=SCORE), load(result.modified_bin_path)  # 0.25, the default
    again = []
    for path in sorted((images / "val").glob("*.jpg")):
        bgr = read_image(path)
        again.append(found_again(floats.predict(bgr), device.predict(bgr)))
    flags = np.concatenate(again)
    print(kind, f"{flags.mean():.4f} of {flags.size} detections on {len(again)} images found again")
    assert len(again) >= 100 and flags.mean() >= BAR_FOUND
