from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import edgekit
from edgekit.compilation.build import compile_model
from edgekit.cores import cores
from edgekit.errors import OutputError
from edgekit.evaluation.bench import measure
from edgekit.evaluation.bench.grid import Cell
from edgekit.evaluation.bench.measure import Bench, BenchOptions, _static_ms, measure_cell
from edgekit.evaluation.bench.timing_images import generated_images
from edgekit.evaluation.label_reader import load_labels
from edgekit.evaluation.labels import Labels
from edgekit.evaluation.options import EvaluateOptions
from edgekit.evaluation.run import evaluate
from edgekit.latency.estimate import estimate_model
from tests.latency.graphs import two_convs
from tests.sim.compiler.works import make_work
from tests.tiny_yolo import save_tiny_yolo

OPTIONS = BenchOptions(frames=3, warmup=1, resamples=20)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8")


@pytest.fixture
def truth(labels: Path) -> Labels:
    return load_labels(labels)


def bench(folder: Path, truth: Labels | None = None) -> Bench:
    return Bench(folder / "out", generated_images(), truth, "data", OPTIONS)


def test_a_float_model_without_labels(tmp_path: Path, model: Path) -> None:
    row = measure_cell(bench(tmp_path), Cell(model, None, "auto", 0))
    assert (row.status, row.device, row.precision, row.format) == ("ok", "onnxruntime", "float32", "ONNX")
    assert (row.size_wh, row.threads, row.frames, row.scores) == ((96, 64), cores(), 3, {})
    assert row.size_mb == pytest.approx(model.stat().st_size / 1e6, abs=1e-3)
    assert row.total is not None and row.total.p50 <= row.total.p90 <= row.total.p99 and row.fps and row.fps > 0
    assert set(row.stages) == {"prepare", "infer", "decode"} and not row.simulated


def test_the_score_is_that_of_edgekit_eval(tmp_path: Path, model: Path, truth: Labels) -> None:
    row = measure_cell(bench(tmp_path, truth), Cell(model, None, "cpu", 1))
    expected = evaluate(model, truth, tmp_path / "eval", options=EvaluateOptions(resamples=20)).model.scores["box"]
    figure = row.scores["box"]
    assert (figure.measure, row.images) == ("mAP50-95", 4)
    assert figure.value == pytest.approx(expected.overall.value, abs=1e-6)
    assert (figure.low, figure.high) == pytest.approx((expected.overall.low, expected.overall.high), abs=1e-6)
    assert expected.map50 and figure.map50 == pytest.approx(expected.map50.value, abs=1e-6)


def test_threads_reach_the_device_and_the_score_is_taken_once(
    tmp_path: Path, model: Path, truth: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def load(path: Path, device: str, **options: Any) -> edgekit.runtime.session.Session:
        asked.append(options["threads"])
        return edgekit.load(path, device, **options)

    scored = []
    monkeypatch.setattr(measure, "load", load)
    monkeypatch.setattr(measure, "evaluate", lambda *a, **k: scored.append(a) or evaluate(*a, **k))
    one = bench(tmp_path, truth)
    rows = [measure_cell(one, Cell(model, None, "cpu", n)) for n in (1, 3)]
    assert asked == [1, 3] and [row.threads for row in rows] == [1, 3]
    assert len(scored) == 1 and rows[0].scores == rows[1].scores != {}


def test_on_an_accelerator_threads_are_frames_on_their_way(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = edgekit.load(model)
    session.device.kind = "bpu"
    seen = []

    def run(*args: Any, threads: int, **options: Any) -> Any:
        seen.append(threads)
        return SimpleNamespace(frames=1, fps=1.0, objects_per_frame=0.0, total=None, stages={})

    monkeypatch.setattr(measure, "load", lambda *args, **options: session)
    monkeypatch.setattr(measure, "measure", run)
    rows = [measure_cell(bench(tmp_path), Cell(model, None, "bpu", threads)) for threads in (0, 3)]
    assert seen == [1, 3] and [row.threads for row in rows] == [1, 3]


def test_a_simulated_model_is_marked(tmp_path: Path, truth: Labels) -> None:
    compiled = compile_model(make_work(tmp_path / "work", kind="nv12"), toolchain="sim")
    one = bench(tmp_path, truth)
    rows = [measure_cell(one, Cell(path, None, device, 2)) for path, device in (
        (compiled.quantized_path, "sim"), (compiled.bin_path, "auto"),
    )]  # fmt: skip
    assert [(row.status, row.device, row.precision, row.simulated) for row in rows] == [("ok", "sim", "int8", True)] * 2
    assert [row.format for row in rows] == ["ONNX", ".bin"]
    assert rows[0].scores == rows[1].scores


def test_an_open_export_is_measured_and_scored_at_the_size_asked_for(tmp_path: Path) -> None:
    model = save_tiny_yolo(tmp_path / "m.onnx", task="classify", dynamic_size=True)
    one = bench(tmp_path)
    rows = [measure_cell(one, Cell(model, size, "auto", 1)) for size in (None, (96, 128), (64, 64))]
    assert [(row.status, row.size_wh) for row in rows] == [("ok", (96, 64)), ("ok", (128, 96)), ("ok", (64, 64))]
    assert {row.model for row in rows} == {"m.onnx"}


def test_what_a_model_is_not_made_for_is_unfit(tmp_path: Path, model: Path, truth: Labels) -> None:
    one = bench(tmp_path, truth)
    size = measure_cell(one, Cell(model, (320, 320), "auto", 2))
    assert (size.status, size.size_wh, size.threads) == ("unfit", (320, 320), 0)
    assert "takes 64,96 (height, width) alone, expected 320,320" in size.error and "--imgsz 64,96" in size.hint
    device = measure_cell(one, Cell(model, None, "sim", 2))
    assert device.status == "unfit" and "'sim' cannot run" in device.error and device.total is None


def test_a_broken_model_fails_with_two_lines(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    row = measure_cell(bench(tmp_path), Cell(tmp_path / "broken.onnx", None, "auto", 0))
    assert row.status == "failed" and "broken.onnx" in row.error and row.hint and row.size_mb is not None
    (tmp_path / "note.txt").write_text("hello")
    other = measure_cell(bench(tmp_path), Cell(tmp_path / "note.txt", None, "auto", 0))
    assert (other.status, other.format) == ("failed", ".txt") and "is no model" in other.error


def test_labels_that_do_not_fit_leave_the_times(tmp_path: Path, truth: Labels) -> None:
    model = save_tiny_yolo(tmp_path / "cls.onnx", task="classify")
    one = bench(tmp_path, truth)
    rows = [measure_cell(one, Cell(model, None, "auto", n)) for n in (1, 2)]
    assert [row.status for row in rows] == ["no mAP", "no mAP"]
    assert all(row.total is not None and "folder per class" in row.error for row in rows)


def test_whatever_happens_in_a_cell_stays_there_but_a_full_disk(
    tmp_path: Path, model: Path, truth: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(error: Exception) -> Any:
        def raising(*args: Any, **options: Any) -> Any:
            raise error

        return raising

    monkeypatch.setattr(measure, "measure", fail(MemoryError("no room")))
    row = measure_cell(bench(tmp_path, truth), Cell(model, None, "auto", 1))
    assert row.status == "failed" and row.error == "MemoryError while measuring tiny.onnx (no room)"
    monkeypatch.undo()
    monkeypatch.setattr(measure, "evaluate", fail(OutputError("the disk is full", hint="free some")))
    with pytest.raises(OutputError):
        measure_cell(bench(tmp_path, truth), Cell(model, None, "auto", 1))
    monkeypatch.setattr(measure, "evaluate", fail(ValueError("odd")))
    assert measure_cell(bench(tmp_path, truth), Cell(model, None, "auto", 1)).status == "no mAP"


def test_a_score_that_is_not_defined_is_none(tmp_path: Path, model: Path, truth: Labels) -> None:
    without = Bench(tmp_path / "out", generated_images(), truth, "data", BenchOptions(frames=1, warmup=0, resamples=0))
    figure = measure_cell(without, Cell(model, None, "auto", 1)).scores["box"]
    assert figure.value is not None and math.isfinite(figure.value)
    assert (figure.low, figure.high) == (None, None)


def test_an_integer_model_has_the_latency_models_frame(tmp_path: Path) -> None:
    quantized = tmp_path / "m_quantized_model.onnx"
    quantized.write_bytes(two_convs())
    assert _static_ms(quantized) == pytest.approx(estimate_model(quantized).frame_us / 1e3, abs=1e-3)
    quantized.write_bytes(b"no graph")
    assert _static_ms(quantized) is None
    assert _static_ms(tmp_path / "float.onnx") is None
