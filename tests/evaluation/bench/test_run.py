from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import ConfigError, DataError, ImageError
from edgekit.evaluation.bench import run
from edgekit.evaluation.bench.grid import Cell, make_grid
from edgekit.evaluation.bench.measure import Bench, BenchOptions, measure_cell
from edgekit.evaluation.bench.row import Row
from edgekit.evaluation.bench.run import BenchData, fingerprint, run_bench
from tests.tiny_yolo import save_tiny_yolo

OPTIONS = BenchOptions(frames=2, warmup=1, resamples=10)


@pytest.fixture
def cells(tmp_path: Path) -> tuple[Cell, ...]:
    """Two good models around a broken one."""
    save_tiny_yolo(tmp_path / "a.onnx", family="yolov8")
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    save_tiny_yolo(tmp_path / "c.onnx", family="yolo11", seed=3)
    return make_grid([tmp_path / name for name in ("a.onnx", "broken.onnx", "c.onnx")])


def saved(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "bench.json").read_text())


def test_a_failed_cell_does_not_stop_the_others(tmp_path: Path, cells: tuple[Cell, ...], labels: Path) -> None:
    told: list[str] = []
    report, files = run_bench(
        cells,
        tmp_path / "out",
        data=BenchData(labels),
        options=OPTIONS,
        progress=lambda stage, done, total: told.append(stage),
    )
    assert [row.status for row in report.rows] == ["ok", "failed", "ok"]
    assert report.exit_code == 1 and report.finished and report.images == 4
    assert saved(tmp_path / "out") == json.loads(json.dumps(report.to_dict()))
    assert all(path.is_file() for path in files)
    assert told[0].startswith("[1/3] a.onnx on auto: timing") and any("[3/3]" in stage for stage in told)


def test_an_interrupted_run_goes_on_and_measures_what_failed_again(
    tmp_path: Path, cells: tuple[Cell, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def interrupted(bench: Bench, cell: Cell, **options: Any) -> Row:
        measured.append(cell.model.name)
        if measured.count("c.onnx") == 1 and cell.model.name == "c.onnx":
            raise KeyboardInterrupt
        return measure_cell(bench, cell, **options)

    monkeypatch.setattr(run, "measure_cell", interrupted)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_bench(cells, out, options=OPTIONS, plot=False)
    assert [row["status"] for row in saved(out)["rows"]] == ["ok", "failed"] and saved(out)["finished"] is False
    assert [path.name for path in out.iterdir()] == ["bench.json"]
    first = saved(out)["rows"][0]
    resumed: list[int] = []
    report, _ = run_bench(cells, out, options=OPTIONS, plot=False, on_resume=resumed.append)
    assert resumed == [1] and measured == ["a.onnx", "broken.onnx", "c.onnx", "broken.onnx", "c.onnx"]
    assert json.loads(json.dumps(report.rows[0].to_dict())) == first


def test_a_finished_run_and_another_request_are_measured_again(
    tmp_path: Path, cells: tuple[Cell, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def counted(bench: Bench, cell: Cell, **options: Any) -> Row:
        nonlocal count
        count += 1
        return measure_cell(bench, cell, **options)

    monkeypatch.setattr(run, "measure_cell", counted)
    for _ in range(2):
        run_bench(cells[:1], tmp_path / "out", options=OPTIONS, plot=False)
    assert count == 2
    document = {**saved(tmp_path / "out"), "finished": False}
    (tmp_path / "out" / "bench.json").write_text(json.dumps(document))
    run_bench(cells[:1], tmp_path / "out", options=BenchOptions(frames=3, warmup=1), plot=False)
    assert count == 3


def test_unfit_models_are_opened_once_for_all_threads(
    tmp_path: Path, cells: tuple[Cell, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Cell] = []
    monkeypatch.setattr(run, "measure_cell", lambda b, cell, **k: asked.append(cell) or measure_cell(b, cell, **k))
    grid = make_grid([cells[0].model], sizes_hw=[(320, 320), (64, 96)], threads=[1, 2, 3])
    report, _ = run_bench(grid, tmp_path / "out", options=OPTIONS, plot=False)
    assert len(asked) == 4 and len(report.shown) == 4 and report.finished and report.exit_code == 0
    assert [row.status for row in report.rows] == ["unfit"] * 3 + ["ok"] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"options": BenchOptions(frames=0)}, "--frames is 0"),
        ({"options": BenchOptions(warmup=-1)}, "--warmup is -1"),
        ({"options": BenchOptions(conf=1.5)}, "--conf is 1.5"),
        ({"options": BenchOptions(resamples=-1)}, "--resamples is -1"),
        ({"data": BenchData(limit=0)}, "--limit is 0"),
        ({"data": BenchData(labels=Path("none.json"))}, "none.json does not exist"),
        ({"data": BenchData(images=Path("none"))}, "none"),
    ],
)
def test_mistakes_are_found_before_anything_runs(
    tmp_path: Path, cells: tuple[Cell, ...], change: dict[str, Any], message: str
) -> None:
    with pytest.raises((ConfigError, DataError, ImageError), match=message):
        run_bench(cells, tmp_path / "out", **change)
    assert not (tmp_path / "out").exists()


def test_without_matplotlib_the_plot_is_refused_before_anything_runs(
    tmp_path: Path, cells: tuple[Cell, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="matplotlib is not installed") as caught:
        run_bench(cells, tmp_path / "out")
    assert "--no-plot" in caught.value.hint


def test_a_fingerprint_is_of_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "f" / "in").mkdir(parents=True)
    (tmp_path / "f" / "in" / "a").write_text("1")
    before = fingerprint(tmp_path / "f")
    assert before == fingerprint(tmp_path / "f") and fingerprint(tmp_path / "f" / "in" / "a").startswith("6b86b273")
    (tmp_path / "f" / "b").write_text("2")
    assert fingerprint(tmp_path / "f") != before


def test_a_busy_machine_is_told(tmp_path: Path, cells: tuple[Cell, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    for load, count in ((0.0, 0), (640.0, 1)):
        monkeypatch.setattr("os.getloadavg", lambda load=load: (load, 0.0, 0.0), raising=False)
        report, _ = run_bench(cells[:1], tmp_path / "out", options=OPTIONS, plot=False)
        assert len(report.notes) == count
        assert ("other programs were running" in (tmp_path / "out" / "bench.md").read_text()) == bool(count)
