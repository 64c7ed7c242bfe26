"""What `calibrate` does to the float graph on request: corrected biases and Clips, recorded, repeatable, compilable."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgekit.calibration.pipeline import CalibrationSet, calibrate
from edgekit.cli.main import main
from edgekit.compilation.job import load_job
from edgekit.errors import ConfigError
from edgekit.folding.refine import Refinement
from edgekit.sim.compiler.prepared_model import prepare_model
from tests.learn.conftest import write_images
from tests.tiny_yolo import save_tiny_yolo

CLIPS, BIASES = Refinement(clips=0.9), Refinement(bias_correction=True)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refine")
    save_tiny_yolo(folder / "tiny.onnx", family="yolo11", num_classes=3, size_wh=(96, 64))
    write_images(folder / "images", 6)
    return folder


def calibrated(material: Path, name: str, refinement: Refinement | None = None) -> CalibrationSet:
    options = {} if refinement is None else {"refinement": refinement}
    return calibrate(material / "tiny.onnx", material / "images", material / name, num=5, **options)  # type: ignore[arg-type]


def operations(result: CalibrationSet) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(result.model_path).graph.node)


def weights(result: CalibrationSet) -> dict[str, np.ndarray]:
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(result.model_path).graph.initializer}


def test_nothing_is_changed_unasked(material: Path) -> None:
    result = calibrated(material, "plain")
    assert "Clip" not in operations(result)
    request = json.loads(result.manifest_path.read_text())["request"]
    assert not {"clips", "bias_correction"} & set(request)


def test_clips_are_absorbed_by_the_compiler_and_recorded(material: Path) -> None:
    result = calibrated(material, "clips", CLIPS)
    assert operations(result)["Clip"] > 3
    prepared = prepare_model(load_job(result.yaml_path))
    absorbed = [node for node in prepared.graph.nodes if "clip" in node.attrs]
    assert len(absorbed) == operations(result)["Clip"]
    assert json.loads(result.manifest_path.read_text())["request"]["clips"] == 0.9
    assert "Clips behind convolutions keep 0.9 of their values" in result.notes


def test_bias_correction_changes_biases_alone(material: Path) -> None:
    plain, corrected = weights(calibrated(material, "plain")), weights(calibrated(material, "biases", BIASES))
    changed = {name for name in plain if not np.array_equal(plain[name], corrected[name])}
    assert changed and all(name.endswith(".bias") for name in changed)


def test_rounded_weights_lie_on_their_grids_and_are_recorded(material: Path) -> None:
    plain, result = calibrated(material, "plain"), calibrated(material, "rounded", Refinement(round_weights=True))
    before, after = weights(plain), weights(result)
    changed = [name for name in before if name.endswith(".weight") and not np.array_equal(before[name], after[name])]
    assert len(changed) > 10 and operations(result) == operations(plain)
    for name in changed:
        rows = after[name].reshape(len(after[name]), -1).astype(np.float64)
        integers = rows / np.abs(rows).max(axis=1, keepdims=True) * 127
        assert np.allclose(integers, np.rint(integers), atol=1e-3), name
    assert json.loads(result.manifest_path.read_text())["request"]["round_weights"] is True
    assert "weights are rounded to their int8 grids with error compensation" in result.notes


def test_the_same_call_is_known_again_and_another_is_refused(material: Path) -> None:
    first = calibrated(material, "again", CLIPS)
    digest = first.model_path.read_bytes()
    again = calibrated(material, "again", CLIPS)
    assert again.reused and again.model_path.read_bytes() == digest and again.notes == first.notes
    with pytest.raises(Exception, match="another call|other options|clips"):
        calibrated(material, "again")


@pytest.mark.parametrize("share", ["0.5", "1.5", "nan"])
def test_a_share_out_of_range_is_two_lines(material: Path, share: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--model",
        str(material / "tiny.onnx"),
        "--images",
        str(material / "images"),
        "-o",
        str(material / "x"),
    ]
    assert main(["calibrate", *arguments, "--clips", share]) == 2
    assert f"--clips is {float(share):g}, expected 0.9 to 1" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        Refinement(clips=float(share))
