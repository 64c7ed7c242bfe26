"""Models run by several processes or a cluster: the same bytes and scores as in one process."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli.main import main
from edgekit.errors import ConfigError
from edgekit.evaluation.bench.grid import make_grid
from edgekit.evaluation.bench.measure import BenchOptions
from edgekit.evaluation.bench.run import BenchData, run_bench
from edgekit.evaluation.label_reader import unlabelled_images
from edgekit.evaluation.options import PUBLISHED
from edgekit.evaluation.predict_tasks import ModelRun, rows_by_workers
from edgekit.evaluation.run import evaluate
from edgekit.export import cut_file
from edgekit.workers import Workers, open_workers
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo

OPTIONS = replace(PUBLISHED, conf=0.1, resamples=10)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cut models, five images, one of which cannot be read, and labels."""
    folder = tmp_path_factory.mktemp("material")
    for seed in (0, 1):
        stock = save_tiny_yolo(folder / f"stock{seed}.onnx", family="yolov8", task="segment", seed=seed)
        cut_file(stock, folder / f"tiny{seed}.onnx")
    paths = write_images(folder / "images", 5)
    paths[3].write_bytes(b"no image")
    data = {
        "images": [{"id": i, "file_name": path.name, "width": 96, "height": 72} for i, path in enumerate(paths)],
        "categories": [{"id": i, "name": f"thing {i}"} for i in range(3)],
        "annotations": [{"image_id": i, "category_id": i % 3, "bbox": [10, 10, 40, 30]} for i in range(5)],
    }
    (folder / "labels.json").write_text(json.dumps(data))
    return folder


@pytest.fixture(scope="module", params=["processes", "cluster"])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    with contextlib.ExitStack() as stack:
        if request.param == "processes":
            yield stack.enter_context(contextlib.closing(open_workers(2)))
            return
        distributed = pytest.importorskip("distributed")
        cluster = stack.enter_context(
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
            )
        )
        yield stack.enter_context(contextlib.closing(open_workers(scheduler=cluster.scheduler_address)))


def evaluated(material: Path, output: Path, workers: Workers | None) -> dict[str, Any]:
    images = unlabelled_images(material / "images")
    against = material / "tiny0.onnx"
    return evaluate(
        material / "tiny1.onnx", images, output, against=against, options=OPTIONS, workers=workers
    ).to_dict()


def predictions_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jsonl"))}


def test_workers_equal_one_process(material: Path, tmp_path: Path, workers: Workers) -> None:
    expected = evaluated(material, tmp_path / "one", None)
    assert evaluated(material, tmp_path / "several", workers) == expected
    files = predictions_in(tmp_path / "one")
    assert predictions_in(tmp_path / "several") == files and len(files) == 2
    assert expected["model"]["images"] == 4 and len(expected["model"]["unread"]) == 1
    cut_short = tmp_path / "several" / "model_tiny1.predictions.jsonl"
    cut_short.write_bytes(b"".join(cut_short.read_bytes().splitlines(keepends=True)[:3])[:-5])
    assert evaluated(material, tmp_path / "several", workers) == expected
    assert predictions_in(tmp_path / "several") == files


def test_a_board_has_one_bpu() -> None:
    run = ModelRun(Path("model.bin"), "bpu", OPTIONS)
    assert rows_by_workers(open_workers(1), run, "bpu") is None
    with pytest.raises(ConfigError, match="model.bin runs on bpu") as caught:
        rows_by_workers(open_workers(2), run, "bpu")
    assert "remove --workers" in caught.value.hint


def test_the_command_takes_workers(material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["eval", "--model", str(material / "tiny0.onnx"), "--data", str(material / "labels.json")]
    arguments += ["--images", str(material / "images"), "--conf", "0.1", "--resamples", "10", "--json"]
    reports = []
    for name, extra in (("one", []), ("two", ["--workers", "2"])):
        assert main([*arguments, *extra, "-o", str(tmp_path / name)]) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert reports[0] == reports[1] and reports[0]["model"]["scores"]
    assert main([*arguments, "--workers", "2", "--scheduler", "tcp://h:1", "-o", str(tmp_path / "none")]) == 2
    assert "are both set, expected at most one of them" in capsys.readouterr().err


def test_the_bench_scores_on_workers(material: Path, tmp_path: Path) -> None:
    cells = make_grid([material / "tiny0.onnx"])
    data = BenchData(material / "labels.json", material / "images")
    options = BenchOptions(frames=2, warmup=1, resamples=10)
    rows = []
    for name, count in (("one", 1), ("two", 2)):
        with contextlib.closing(open_workers(count)) as workers:
            report, _ = run_bench(cells, tmp_path / name, data=data, options=options, workers=workers, plot=False)
        rows.append(report.rows[0])
    assert rows[0].scores == rows[1].scores and rows[0].scores["box"].value is not None
    assert rows[0].notes == rows[1].notes
