"""The whole tuning on a tiny model and made-up images: what it writes, that it resumes, that it repeats itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgekit.cli.main import main
from edgekit.compilation.job import load_job
from edgekit.errors import ConfigError
from edgekit.runtime.session import load
from edgekit.sim.compiler.prepared_model import prepare_model
from edgekit.tuning import TuneOptions, TuneResult, time_budget, tune
from edgekit.tuning.page import PAGE_NAME
from edgekit.tuning.run import RESULTS_NAME, SEARCH_DIR, SENSITIVITY_NAME, TUNED_DIR
from edgekit.tuning.time_budget import SearchPlan
from tests.tiny_yolo import save_tiny_yolo
from tests.typed import as_image

SIZE_WH = (96, 64)
STRIDES = (8, 16)  # fewer layers, whose number decides how long a search takes
TINY = SearchPlan("tiny", (1, 2, 2), (0.9999,), (("diverse", 6),), 1, (0.9995,), 2, 3, 1, 4)


@pytest.fixture(scope="module", autouse=True)
def plan() -> Iterator[None]:
    """A plan smaller than the smallest: every stage runs, on few images and candidates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_budget, "PLANS", (TINY,))
        yield


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny segmentation model, and twenty images of blurred noise."""
    folder = tmp_path_factory.mktemp("tune")
    save_tiny_yolo(
        folder / "tiny.onnx", family="yolov8", task="segment", num_classes=4, size_wh=SIZE_WH, strides=STRIDES
    )
    rng = np.random.default_rng(5)
    (folder / "images").mkdir()
    for i in range(20):
        noise = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        image = cv2.resize(noise, (120, 90), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / "images" / f"{i:02d}.png"), image)
    return folder


def tuned_in(material: Path, out: Path, **options: Any) -> TuneResult:
    options = {"workers": None if "scheduler" in options else 1, "minutes": 2.5, **options}
    return tune(material / "tiny.onnx", material / "images", out, TuneOptions(**options))


@pytest.fixture(scope="module")
def first(material: Path) -> tuple[Path, TuneResult]:
    out = material / "out"
    return out, tuned_in(material, out, max_extra_cost=3.0)


def test_every_step_is_better_or_cheaper_than_the_one_before(first: tuple[Path, TuneResult]) -> None:
    """By its loss; the last choice, among candidates that were scored on images, by their scores."""
    _, tuned = first
    *earlier, last = pairwise(tuned.steps)
    for before, after in earlier:
        assert after.loss < before.loss or after.extra_cost < before.extra_cost
    before, after = last
    scored = {trial.step.candidate: trial.disagreement for trial in (*tuned.trials, tuned.chosen)}
    is_nearer = scored[after.candidate] <= scored.get(before.candidate, 0.0)
    assert is_nearer or after.loss < before.loss or after.extra_cost < before.extra_cost
    assert (tuned.steps[0].change, tuned.steps[0].loss, tuned.steps[0].constraint_value) == ("untuned default", 1, 1)
    assert tuned.chosen.step.error < tuned.steps[0].error


def test_the_written_folder_compiles_to_what_was_measured(first: tuple[Path, TuneResult]) -> None:
    out, tuned = first
    job = load_job(tuned.yaml)
    assert job.calibration_files and tuned.yaml.parent == out / TUNED_DIR
    assert len(list((out / TUNED_DIR / "model_output").glob("*_quantized_model.onnx"))) == 1
    assert tuned.built.everywhere.mean == pytest.approx(tuned.chosen.step.error, rel=0.15)
    wanted = bool(tuned.chosen.step.candidate.int16)
    assert bool(job.config.model_parameters.node_info) == wanted


def test_the_report_names_every_layer_and_step(first: tuple[Path, TuneResult]) -> None:
    out, tuned = first
    report = json.loads((out / TUNED_DIR / "tune.json").read_text())
    assert [step["change"] for step in report["steps"]] == [step.change for step in tuned.steps]
    costs, losses = ([step[key] for step in report["front"]] for key in ("extra_cost", "loss"))
    assert costs and costs == sorted(costs)  # one candidate may beat all others in both
    page = (out / TUNED_DIR / PAGE_NAME).read_text(encoding="utf-8")
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert [model["label"] for model in data["models"]] == ["untuned", "tuned"]
    names = {path.name for path in (out.parent / "images").iterdir()}
    assert data["images"] and {image["name"] for image in data["images"]} <= names
    tried = [*tuned.steps, *tuned.front, *(trial.step for trial in tuned.trials)]
    assert len(data["settings"]) == len({step.candidate for step in tried}) > 1
    assert sum(setting["chosen"] for setting in data["settings"]) == 1
    nodes = json.loads((out / TUNED_DIR / SENSITIVITY_NAME).read_text())["nodes"]
    assert len(nodes) == len(tuned.points) > 5
    assert sum(node["gain_float"] is not None for node in nodes) == sum(n["gain_int16"] is not None for n in nodes) > 4
    losses = [node["loss_alone"] for node in nodes]
    assert losses == sorted(losses, reverse=True) and losses[0] > 0
    chosen = {t for node in nodes if node["chosen"] == "int16" for t in node["tensors"]}
    assert chosen <= set(tuned.chosen.step.candidate.int16)
    assert any("agreement" in note for note in report["notes"])  # there were no labels, and it says so


def test_the_tuned_build_runs(first: tuple[Path, TuneResult], material: Path) -> None:
    out, _ = first
    with load(next((out / TUNED_DIR / "model_output").glob("*_modified.bin"))) as session:
        results = session.predict(as_image(cv2.imread(str(material / "images" / "00.png"))))
    assert results.device == "sim"


def test_a_second_call_measures_nothing_again(first: tuple[Path, TuneResult], material: Path) -> None:
    out, tuned = first
    store = out / SEARCH_DIR / RESULTS_NAME
    before = store.read_bytes()
    again = tuned_in(material, out, max_extra_cost=3.0)
    assert store.read_bytes() == before
    assert again.to_json() == tuned.to_json()


def test_a_killed_run_goes_on_and_chooses_the_same(first: tuple[Path, TuneResult], material: Path) -> None:
    out, tuned = first
    before = cut_short(out)
    again = tuned_in(material, out, max_extra_cost=3.0)
    assert again.to_json() == tuned.to_json()
    assert sorted((out / SEARCH_DIR / RESULTS_NAME).read_bytes().splitlines()) == sorted(before)


@pytest.mark.slow  # tests/workers has a cluster in the gate
def test_two_workers_of_a_cluster_choose_the_same(first: tuple[Path, TuneResult], material: Path) -> None:
    distributed = pytest.importorskip("distributed")
    out, tuned = first
    cut_short(out)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        again = tuned_in(material, out, max_extra_cost=3.0, scheduler=cluster.scheduler_address)
    assert again.to_json() == tuned.to_json()


def cut_short(out: Path) -> list[bytes]:
    """Leaves `out` as a run killed half way would; returns the lines of the whole store."""
    shutil.rmtree(out / TUNED_DIR)
    store = out / SEARCH_DIR / RESULTS_NAME
    lines = store.read_bytes().splitlines(keepends=True)
    half = len(lines) // 2
    store.write_bytes(b"".join(lines[:half]) + lines[half][:20])
    return [line.rstrip(b"\n") for line in lines]


@pytest.mark.slow
def test_outputs_alone_where_16_bits_may_cost_nothing(material: Path, tmp_path: Path) -> None:
    tuned = tuned_in(material, tmp_path / "narrow", max_extra_cost=0.0)
    job, int16 = load_job(tuned.yaml), tuned.chosen.step.candidate.int16
    assert int16 and set(int16) <= set(prepare_model(job).graph.outputs.values())
    assert job.config.model_parameters.node_info
    assert any("no layer inside was promoted" in note for note in tuned.notes)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "task"), [("yolov5", "segment"), ("yolov8", "classify"), ("yolo26", "pose")])
def test_other_heads_are_tuned_too(material: Path, tmp_path: Path, family: str, task: str) -> None:
    size_wh = (64, 64) if task == "classify" else SIZE_WH
    save_tiny_yolo(tmp_path / "other.onnx", family=family, task=task, num_classes=4, size_wh=size_wh, strides=STRIDES)
    tuned = tune(tmp_path / "other.onnx", material / "images", tmp_path / "out", TuneOptions(minutes=3, workers=1))
    assert tuned.chosen.step.loss <= 1 and 0 <= tuned.chosen.disagreement < 0.9
    assert tuned.chosen.disagreement_over(tuned.chosen).value in (1, pytest.approx(float("nan"), nan_ok=True))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"retention": 1.5}, r"--retention is 1\.5"),
        ({"retention": 0.0}, "--retention is 0"),
        ({"max_extra_cost": -1.0}, "--max-extra-cost is -1"),
    ],
)
def test_impossible_targets_are_named(material: Path, tmp_path: Path, target: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tuned_in(material, tmp_path / "none", **target)
    assert not (tmp_path / "none").exists()


def test_a_budget_for_nothing_is_refused(material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["tune", str(material / "tiny.onnx"), "--images", str(material / "images"), "-o", str(tmp_path / "o")]
    assert main([*arguments, "--minutes", "0.001"]) == 2
    message = capsys.readouterr().err
    assert "error: --minutes is 0.001, expected at least" in message and "\nhint: give --minutes" in message
    assert main([*arguments, "--minutes", "-1"]) == 2
    assert "expected more than 0" in capsys.readouterr().err


def test_a_folder_in_place_of_the_tuned_one_is_never_replaced(
    material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "out" / "tuned" / "calibration_data" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    args = ["tune", str(material / "tiny.onnx"), "--images", str(material / "images"), "-o", str(tmp_path / "out")]
    assert main(args) == 2
    assert "tuned exists already" in capsys.readouterr().err
    assert mine.read_text() == "mine"


def test_workers_and_a_scheduler_exclude_each_other(material: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["tune", str(material / "tiny.onnx"), "--images", str(material / "images")]
    assert main([*arguments, "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "are both set, expected at most one of them" in capsys.readouterr().err
