"""What compile says of calibration files that are not what the yaml takes them for, on the demo model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.calibration.data_check import check_data
from edgekit.calibration.pipeline import calibrate
from edgekit.compilation.build import compile_model
from edgekit.compilation.job import load_job
from edgekit.demo.assets import CALIBRATION_SEED, copy_model
from edgekit.demo.scenes import render_image
from edgekit.errors import DataError
from edgekit.report.gather import collect
from edgekit.report.report import make_report

IMAGES = 5


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The yaml of a good work folder; tests change copies of it."""
    folder = tmp_path_factory.mktemp("calibrated")
    images = folder / "images"
    images.mkdir()
    for seed in range(CALIBRATION_SEED, CALIBRATION_SEED + IMAGES):
        cv2.imwrite(str(images / f"{seed}.png"), render_image(seed, (320, 256)).bgr)
    return calibrate(copy_model(folder / "demo.onnx"), images, folder / "work", num=IMAGES).yaml_path


@pytest.fixture
def yaml(calibrated: Path, tmp_path: Path) -> Path:
    work = shutil.copytree(calibrated.parent, tmp_path / "work")
    (work / "manifest.json").unlink()  # files that the user has made: nobody recorded them
    return work / calibrated.name


def change(yaml: Path, how: Callable[[np.ndarray], np.ndarray], *, first: int = IMAGES) -> None:
    """Writes the first files again; `how` takes and gives (1, 3, H, W) float32 values."""
    shape = load_job(yaml).input_shape
    for path in sorted((yaml.parent / "calibration_data").iterdir())[:first]:
        how(np.fromfile(path, np.float32).reshape(shape)).astype(np.float32).tofile(path)


def set_scale(yaml: Path, norm_type: str, scale: str) -> None:
    lines = [line for line in yaml.read_text().splitlines() if "scale_value" not in line]
    text = "\n".join(lines).replace("norm_type: data_scale", f"norm_type: {norm_type}{scale}")
    yaml.write_text(text)


def test_good_files_give_no_warning_and_what_the_model_sees(yaml: Path) -> None:
    check = check_data(load_job(yaml))
    assert check.warnings == () and check.files == IMAGES
    assert 0 <= check.minimum < 20 and 235 < check.maximum <= 255
    assert len(check.best_scores) == 4 and min(check.best_scores) > 0.25


def flat(x: np.ndarray) -> np.ndarray:
    """Grey with the faintest of stripes: in range, not constant, and nothing to see."""
    return np.full_like(x, 60) + (np.arange(x.size).reshape(x.shape) % 2)


def rows_of_pixels(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(x.shape)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            lambda x: x / 255,
            r"5 of 5 calibration files .* hold values of 0\S*\.\.1\S*, expected pixels of 0\.\.255: they were norm",
        ),
        (lambda x: x / 127.5 - 1, r"hold values of -1\.\.1, expected pixels of 0\.\.255: they were normalised before"),
        (lambda x: (x / 255 - 0.45) / 0.225, "expected pixels of 0..255: they were normalised before"),
        (lambda x: x - 128, "hold values of -128..*, expected pixels of 0..255: a mean was subtracted"),
        (lambda x: x * 257, "expected pixels of 0..255: they are no 8-bit pixels"),
        (lambda x: x * 0 + 114, r"5 of 5 calibration files .* hold one value throughout \(114\)"),
        (lambda x: x * np.nan, "holds values that are not finite"),
    ],
    ids=["0..1", "-1..1", "imagenet", "mean", "16 bit", "constant", "NaN"],
)
def test_files_that_the_board_cannot_feed_are_refused_by_name(
    yaml: Path, how: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    change(yaml, how)
    with pytest.raises(DataError, match=message) as caught:
        compile_model(yaml, toolchain="sim")
    assert "edgekit calibrate" in caught.value.hint
    assert not list((yaml.parent / "model_output").glob("*"))


def test_nearly_black_files_are_named(yaml: Path) -> None:
    change(yaml, lambda x: x // 25)
    assert "dark" in [one.code for one in check_data(load_job(yaml)).warnings]


def test_one_file_that_is_not_finite_is_named(yaml: Path) -> None:
    change(yaml, lambda x: np.where(np.arange(x.size).reshape(x.shape) == 7, np.inf, x), first=1)
    with pytest.raises(DataError, match=r"000_\S+ holds values that are not finite"):
        check_data(load_job(yaml))


def test_uint8_files_of_unit_range_are_refused_too(yaml: Path) -> None:
    for path in (yaml.parent / "calibration_data").iterdir():
        (np.fromfile(path, np.float32) > 127).astype(np.uint8).tofile(path)
    yaml.write_text(yaml.read_text().replace("cal_data_type: float32", "cal_data_type: uint8"))
    with pytest.raises(DataError, match=r"hold values of 0\.\.1, expected pixels"):
        check_data(load_job(yaml))


def test_files_of_unit_range_are_refused_beside_a_yaml_that_does_not_divide(yaml: Path) -> None:
    change(yaml, lambda x: x / 255)
    set_scale(yaml, "no_preprocess", "")
    with pytest.raises(DataError, match=r"expected pixels of 0\.\.255"):
        check_data(load_job(yaml))


def test_one_odd_file_among_good_ones_is_a_warning(yaml: Path) -> None:
    change(yaml, lambda x: x / 255, first=1)
    (warned,) = check_data(load_job(yaml)).warnings
    assert (warned.code, "1 of 5 calibration files" in warned.message) == ("unit range", True)


def test_pixels_that_nothing_divides_are_named(yaml: Path) -> None:
    set_scale(yaml, "no_preprocess", "")
    with pytest.raises(DataError, match=r"scores 0\.\d+ with their values divided by 255: nothing in the yaml does it"):
        check_data(load_job(yaml))


def test_a_model_that_sees_nothing_says_so(yaml: Path) -> None:
    change(yaml, flat)
    codes = [one.code for one in check_data(load_job(yaml)).warnings]
    assert "blind" in codes and "monotone" in codes


def test_a_build_on_odd_data_is_never_called_good(yaml: Path) -> None:
    change(yaml, flat)
    result = compile_model(yaml, toolchain="sim")
    assert any(note.startswith("warning: the float model sees nothing") for note in result.notes)
    assert compile_model(yaml, toolchain="sim").notes == result.notes  # reused, and still told
    verdict = make_report(collect(result.log_path).builds[0]).verdict
    assert verdict.grade != "good"
    assert "odd_calibration_data" in [finding.rule for finding in verdict.findings]


@pytest.mark.slow  # the real model at its full size
def test_rows_of_pixels_in_place_of_planes_are_named(shared_data: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for path in sorted((shared_data / "coco" / "images" / "val").iterdir())[:4]:
        shutil.copy(path, images)
    model = shared_data / "models" / "yolov8n-seg.onnx"
    yaml = calibrate(model, images, tmp_path / "work", num=4).yaml_path
    assert check_data(load_job(yaml)).warnings == ()
    (yaml.parent / "manifest.json").unlink()
    change(yaml, rows_of_pixels)
    with pytest.raises(DataError, match=r"scores 0\.\d+ with their values read as rows of pixels \(NHWC\)"):
        check_data(load_job(yaml))
