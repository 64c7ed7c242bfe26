"""The census calls what is not supported by its name, and says what would run."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from census_steps.table import census_table
from census_steps.whole_way import Row, go_whole_way

from tests.export.test_unsupported import _rt_detr

SHIPPED = {"ultralytics": "8.4", "size": 320, "descriptions": ["rtdetr-l.yaml", "yolo26.yaml", "yolo12.yaml"]}


def test_a_transformer_is_refused_by_name_with_what_would_run(tmp_path: Path) -> None:
    onnx.save(_rt_detr(True), str(tmp_path / "rtdetr-l.onnx"))
    row = go_whole_way(tmp_path / "rtdetr-l.onnx", tmp_path, "rtdetr-l")
    assert (row.stopped, row.task) == ("cut", "")
    table = census_table([row, Row("yolo26", "detect", lowest_cosine=0.99)], SHIPPED)
    outcomes = {str(cells[0]): str(cells[2]) for cells in table.rows}
    assert outcomes["rtdetr-l"].startswith("refused by name: a transformer detector (RT-DETR")
    assert "such as yolo11n" in outcomes["rtdetr-l"]
    assert (outcomes["yolo26"], outcomes["yolo12"]) == ("the whole way", "not tried yet")


def test_other_refusals_keep_their_message() -> None:
    rows = [Row("a", stopped="cut", message="no head"), Row("b", stopped="export", message="this is b, which x")]
    outcomes = [str(cells[2]) for cells in census_table(rows, SHIPPED).rows]
    assert outcomes[:2] == ["refused at cut: no head", "Ultralytics does not export it: this is b, which x"]
