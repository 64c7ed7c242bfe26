"""Calibration images hold only colours that come back from NV12; everything else stays as it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.calibration.nv12_colors import LARGEST, TOLERANCE, YUV_TO_RGB, limit_to_nv12, nv12_planes
from edgekit.calibration.pipeline import calibrate
from edgekit.compilation.job import load_job
from edgekit.sim.compiler.calibration.collect import observe
from edgekit.sim.compiler.prepared_model import prepare_model
from tests.tiny_yolo import save_tiny_yolo

BLUE, WHITE, GREY = (255, 0, 0), (255, 255, 255), (114, 114, 114)  # BGR


def brightest(bgr: np.ndarray) -> float:
    """The largest colour that comes back from NV12."""
    planes = nv12_planes(bgr[..., ::-1].transpose(2, 0, 1).astype(np.float32))
    centred = planes - np.array([0, 128, 128], np.float32)[:, None, None]
    return float(np.einsum("cy,yhw->chw", YUV_TO_RGB, centred).max())


def noise(seed: int, sides: tuple[int, int] = (32, 48)) -> np.ndarray:
    """Single pixels of saturated colours: what NV12 holds worst."""
    return np.random.default_rng(seed).choice([0, 255], (*sides, 3)).astype(np.uint8)


def test_a_block_whose_shared_chroma_is_too_bright_gets_its_mean() -> None:
    """White takes the blue pixel's chroma: 255 + 1.7722 * 127. The block beside it is grey and stays."""
    image = np.array([[BLUE, WHITE, GREY, GREY], [WHITE, WHITE, GREY, GREY]], np.uint8)
    assert brightest(image) == pytest.approx(255 + 1.7722 * 127, abs=0.01)
    changed = limit_to_nv12(image)
    assert (changed[:, :2] == (255, 191, 191)).all() and (changed[:, 2:] == GREY).all()
    assert brightest(changed) <= LARGEST + TOLERANCE
    assert (image[0, 0] == BLUE).all()  # the caller's image is left alone


@pytest.mark.parametrize("seed", range(4))
def test_nothing_comes_back_brighter_than_white(seed: int) -> None:
    image = noise(seed)
    changed = limit_to_nv12(image)
    assert brightest(image) > 400 and brightest(changed) <= LARGEST + TOLERANCE
    blocks = (changed != image).any(axis=2).reshape(16, 2, 24, 2).any(axis=(1, 3))
    kept = ~blocks.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(changed[kept], image[kept])


def test_an_image_that_nv12_can_hold_is_the_same_one() -> None:
    coarse = np.random.default_rng(0).integers(60, 200, (3, 4, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (48, 32)).astype(np.uint8)
    assert limit_to_nv12(smooth) is smooth
    odd = noise(0, (31, 48))
    assert limit_to_nv12(odd) is odd  # NV12 has no odd sides


@pytest.mark.parametrize("kind", ["nv12", "yuv444", "rgb"])
def test_the_inputs_threshold_is_that_of_white(tmp_path: Path, kind: str) -> None:
    """Only NV12 changes what is written: as RGB the pixels are those of the letterboxed image."""
    model = save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8", num_classes=2, size_wh=(64, 64))
    (tmp_path / "images").mkdir()
    for i in range(3):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), noise(i, (64, 64)))
    result = calibrate(model, tmp_path / "images", tmp_path / "work", num=3, input_kind=kind)  # type: ignore[arg-type]
    prepared = prepare_model(load_job(result.yaml_path))
    seen = observe(prepared.job, prepared.graph, [prepared.graph.input])
    assert seen[prepared.graph.input].largest == pytest.approx(1, abs=0.01)
    written = np.fromfile(sorted((tmp_path / "work" / "calibration_data").iterdir())[0], np.float32)
    is_image = np.array_equal(written.reshape(3, 64, 64)[::-1].transpose(1, 2, 0), noise(0, (64, 64)))
    assert is_image == (kind != "nv12")
