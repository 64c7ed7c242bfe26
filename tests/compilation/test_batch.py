"""Models that are compiled for several images per call give what the same model gives image by image."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.calibration.pipeline import calibrate
from edgekit.cli.main import main
from edgekit.compilation.build import compile_model
from edgekit.errors import ConfigError, ImageError, ModelError
from edgekit.export import CutOptions
from edgekit.export.input_options import InputOptions
from edgekit.output.writer import write_image
from edgekit.ptq import load_config
from edgekit.results import Detections
from edgekit.runtime.board import fit_to_device
from edgekit.runtime.hbm import HbmDevice
from edgekit.runtime.pipeline import run_pipeline
from edgekit.runtime.pyeasy import PyeasyDevice
from edgekit.runtime.recovering_session import RecoveringSession
from edgekit.runtime.session import Session, load
from edgekit.runtime.sources import Frame, Source
from edgekit.sim import hbm_runtime, pyeasy_dnn
from edgekit.spec import InputKind, load_spec, sidecar_path
from tests.sim.compiler.works import image
from tests.tiny_yolo import save_tiny_yolo

IMAGES = 5


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for seed in range(IMAGES):
        write_image(folder / f"{seed}.png", image(seed))
    return folder


def build(folder: Path, images: Path, kind: InputKind, batch: int | None) -> Path:
    """The .bin of a small detector."""
    model = save_tiny_yolo(folder / "tiny.onnx")
    options = CutOptions(inputs=InputOptions(batch=batch))
    made = calibrate(
        model, images, folder / "work", num=3, select="first", input_kind=kind, calibration="max", cut_options=options
    )
    assert load_config(made.yaml_path).input_parameters.input_batch == batch
    built = compile_model(made.yaml_path, toolchain="sim")
    assert built.modified_bin_path is not None
    return built.modified_bin_path


@pytest.mark.parametrize("kind", ["nv12", "rgb"])
def test_a_batch_gives_the_results_of_single_images(tmp_path: Path, images: Path, kind: InputKind) -> None:
    for name in ("four", "one"):
        (tmp_path / name).mkdir()
    binary = build(tmp_path / "four", images, kind, 4)
    spec = load_spec(sidecar_path(binary))
    assert (spec.input.batch, spec.outputs[0].shape[0]) == (4, 1)
    fed = [image(seed) for seed in range(10, 10 + IMAGES)]
    with load(binary, conf=0.01) as four, load(build(tmp_path / "one", images, kind, None), conf=0.01) as single:
        assert (four.images_per_call, single.images_per_call) == (4, 1)
        assert {info.shape[0] for info in (*four.device.inputs, *four.device.outputs)} == {4}
        together, alone = four.predict_batch(fed), [single.predict(bgr) for bgr in fed]
        assert len(together) == IMAGES
        for a, b in zip(together, alone, strict=True):
            assert isinstance(a, Detections) and isinstance(b, Detections)
            np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)
            np.testing.assert_array_equal(a.scores, b.scores)
        lone, expected = four.predict(fed[2]), alone[2]
        assert isinstance(lone, Detections) and isinstance(expected, Detections)
        np.testing.assert_array_equal(lone.boxes_xyxy, expected.boxes_xyxy)
        with pytest.raises(ModelError, match="hold 1 frames, expected 4"):
            four.device.infer({spec.input.name: four.prepare(fed[0])[0]})


def test_run_and_perf_fill_batches(tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("three", "one"):
        (tmp_path / name).mkdir()
    rows = {}
    for name, batch in (("three", 3), ("one", None)):
        binary, out = build(tmp_path / name, images, "rgb", batch), tmp_path / f"{name}_out"
        assert main(["run", "--model", str(binary), "--source", str(images), "-o", str(out), "--conf", "0.01"]) == 0
        written = json.loads((out / "results.json").read_text(encoding="utf-8"))
        rows[name] = [{key: value for key, value in row.items() if key != "times_ms"} for row in written["results"]]
    assert rows["three"] == rows["one"] and len(rows["one"]) == IMAGES
    capsys.readouterr()
    binary = next((tmp_path / "three").glob("work/model_output/*_modified.bin"))
    assert main(["perf", "--model", str(binary), "--frames", "7", "--warmup", "1", "--threads", "1", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert (run["batch"], run["frames"]) == (3, 9)  # whole calls


def test_an_export_of_several_images_is_kept_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_tiny_yolo(tmp_path / "tiny.onnx", batch=4)
    heads = tmp_path / "heads.onnx"
    assert main(["cut", str(model), "-o", str(tmp_path / "single.onnx")]) == 0
    assert load_spec(tmp_path / "single.json").input.batch == 1
    assert main(["cut", str(model), "-o", str(heads), "--batch", "4"]) == 0
    assert "4 images per call once compiled" in capsys.readouterr().out
    assert load_spec(sidecar_path(heads)).input.batch == 4
    with load(heads) as session:  # the float model is that of one image
        assert session.images_per_call == 1
        assert len(session.predict_batch([image(0), image(1)])) == 2


@pytest.mark.parametrize("batch", [0, 129])
def test_batches_have_limits(batch: int) -> None:
    with pytest.raises(ConfigError, match=f"--batch is {batch}, expected 1..128"):
        InputOptions(batch=batch)


def test_frames_before_a_broken_one_are_delivered(tmp_path: Path, images: Path) -> None:
    binary = build(tmp_path, images, "rgb", 3)
    frames = [Frame(image(seed), f"{seed}") for seed in range(5)]
    frames[4] = Frame(np.zeros((4, 4), np.uint8), "broken")
    source = Source("images", 5, 0.0, lambda: iter(frames))
    with load(binary) as session:
        delivered = []
        with pytest.raises(ImageError, match="frame 4"):
            for done in run_pipeline(source, RecoveringSession(session)):
                delivered.append(done.number)
        assert delivered == [0, 1, 2, 3]
        skipped: list[ImageError] = []
        finished = list(run_pipeline(source, RecoveringSession(session), on_skip=skipped.append))
        assert ([item.number for item in finished], len(skipped)) == ([0, 1, 2, 3], 1)
        assert all(item.times_ms["infer"] > 0 for item in finished)


@pytest.mark.parametrize("kind", ["nv12", "rgb"])
@pytest.mark.parametrize("library", [PyeasyDevice, HbmDevice])
def test_the_boards_libraries_take_the_batch(
    tmp_path: Path, images: Path, kind: InputKind, library: type[PyeasyDevice] | type[HbmDevice]
) -> None:
    binary = build(tmp_path, images, kind, 2)
    module: Any = pyeasy_dnn if library is PyeasyDevice else hbm_runtime
    spec = load_spec(sidecar_path(binary))
    device = library(binary, module=module)
    fed = [image(seed) for seed in range(3)]
    with load(binary) as expected, Session(fit_to_device(spec, device, location="m.bin"), device) as session:
        for a, b in zip(session.predict_batch(fed), expected.predict_batch(fed), strict=True):
            assert isinstance(a, Detections) and isinstance(b, Detections)
            np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)


def test_a_sidecar_of_another_batch_is_refused(tmp_path: Path, images: Path) -> None:
    binary = build(tmp_path, images, "rgb", 2)
    with load(binary) as session:
        spec = session.spec
        assert fit_to_device(spec, session.device, location="m.bin") == spec
        other = replace(spec, input=replace(spec.input, batch=3))
        with pytest.raises(ModelError, match="takes 2 images per call, its sidecar says 3"):
            fit_to_device(other, session.device, location="m.bin")
