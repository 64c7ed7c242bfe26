from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import DeviceError
from edgekit.evaluation.bench import memory_limit as limits
from edgekit.evaluation.bench.grid import Cell, make_grid
from edgekit.evaluation.bench.measure import Bench, BenchOptions, measure_cell
from edgekit.evaluation.bench.memory_limit import is_out_of_memory, memory_limit
from edgekit.evaluation.bench.run import run_bench
from edgekit.evaluation.bench.table import text_table
from edgekit.evaluation.bench.timing_images import generated_images
from tests.tiny_yolo import save_tiny_yolo

resource = pytest.importorskip("resource")


def test_allocations_fail_at_the_limit_and_no_longer_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    monkeypatch.setattr(limits, "available_bytes", lambda: 64 << 20)
    with memory_limit(), pytest.raises(MemoryError):
        np.ones(256 << 20, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert np.ones(256 << 20, np.uint8)[-1] == 1


def test_without_a_figure_nothing_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "available_bytes", lambda: None)
    before = resource.getrlimit(resource.RLIMIT_AS)
    with memory_limit():
        assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_the_words_of_allocators() -> None:
    chained = DeviceError("it failed", hint="x")
    chained.__cause__ = RuntimeError("Failed to allocate memory for requested buffer of size 4096")
    for error in (MemoryError(), RuntimeError("std::bad_alloc"), RuntimeError("CUDA out of memory"), chained):
        assert is_out_of_memory(error)
    assert not is_out_of_memory(DeviceError("invalid device ordinal", hint="x"))


def test_the_end_of_memory_is_a_row_and_larger_batches_are_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = save_tiny_yolo(tmp_path / "m.onnx", family="yolov8")
    tried: list[int] = []

    def open_batched(path: Path, device: str, *, batch: int, **options: object) -> object:
        tried.append(batch)
        raise MemoryError

    monkeypatch.setattr("edgekit.evaluation.bench.measure.open_batched", open_batched)
    cells = make_grid([model], devices=["cpu"], batches=[1, 2, 4])
    assert cells[1] == Cell(model, None, "cpu", 0, "", 2)
    report, _ = run_bench(cells, tmp_path / "out", options=BenchOptions(frames=2, warmup=0), plot=False)
    assert [row.status for row in report.rows] == ["ok", "memory", "memory"] and tried == [2]
    assert report.exit_code == 0 and len(report.shown) == 2
    text = text_table(report)
    assert "memory: m.onnx" in text and "ends at m.onnx on cpu, batch 2" in text and "batch: images at once" in text


def test_a_batch_under_a_tight_limit_ends_as_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real thing: onnxruntime and numpy fail to allocate, and the process goes on."""
    model = save_tiny_yolo(tmp_path / "m.onnx", family="yolov8")
    monkeypatch.setattr(limits, "available_bytes", lambda: 48 << 20)
    bench = Bench(tmp_path, generated_images(), options=BenchOptions(frames=1, warmup=0))
    row = measure_cell(bench, Cell(model, None, "cpu", 1, "", 1024))
    assert row.status == "memory" and "batch 1024" in row.error
