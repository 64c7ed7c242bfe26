from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import DataError
from edgekit.files import write_json
from edgekit.runtime.perf import Latency, PerfRun
from edgekit.runtime.published_results import compare, read_reference
from tests.conftest import ROOT

FLAT = Latency(10.0, 10.0, 10.0, 10.0, 10.0, 10.0)
ROW = {"model": "m", "metric": "fps", "threads": 2, "value": 100.0, "source": "s", "protocol": "p"}


def run(threads: int, *, infer_ms: float = 10.0, fps: float = 100.0) -> PerfRun:
    infer = Latency(infer_ms, infer_ms, infer_ms, infer_ms, infer_ms, infer_ms)
    return PerfRun(threads, 200, 2.0, fps, 50.0, 1.0, FLAT, {"infer": infer}, {})


@pytest.mark.parametrize(
    "infer_ms, fps, verdicts",
    [
        (10.4, 181.9, ["as published", "as published"]),
        (26.0, 70.0, ["too slow", "too slow"]),
        (2.0, 500.0, ["too fast", "too fast"]),
    ],
)
def test_slow_and_fast_are_both_flagged(infer_ms: float, fps: float, verdicts: list[str]) -> None:
    figures = read_reference(ROOT / "board" / "reference" / "rdk_x5.json")
    runs = [run(1, infer_ms=infer_ms), run(2, fps=fps)]
    found = compare(runs, figures, model_stem="yolov8n_seg_bayese_640x640_nv12_modified")
    assert [row.verdict.split(":")[0] for row in found] == verdicts


def test_only_what_was_published_for_this_model_and_number_of_threads() -> None:
    figures = read_reference(ROOT / "board" / "reference" / "rdk_x5.json")
    assert compare([run(1), run(2)], figures, model_stem="yolo11n") == []
    assert len(compare([run(1)], figures, model_stem="yolov8n-seg")) == 1


def test_every_figure_has_its_source_and_protocol() -> None:
    for path in sorted((ROOT / "board" / "reference").glob("*.json")):
        for figure in read_reference(path):
            assert len(figure.source) > 10
            assert len(figure.protocol) > 10


@pytest.mark.parametrize(
    "value, message",
    [
        ({}, "no list 'figures'"),
        ({"figures": [{"model": "m"}]}, "cannot be read"),
        ({"figures": [{**ROW, "metric": "smiles"}]}, "expected one of infer_ms, fps"),
        ({"figures": [{**ROW, "value": 0}]}, "above 0"),
        ({"figures": [{**ROW, "model": "("}]}, "cannot be read"),
    ],
)
def test_bad_files(tmp_path: Path, value: object, message: str) -> None:
    write_json(tmp_path / "r.json", value)
    with pytest.raises(DataError, match=message):
        read_reference(tmp_path / "r.json")
