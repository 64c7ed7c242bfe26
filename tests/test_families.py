"""Every family and task the whole way: stock export, cut, simulated int8 build, results of the task's kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.compilation.build import compile_model
from edgekit.decode.families import FAMILIES
from edgekit.results import Classifications, Detections, Poses, RotatedDetections, Segmentations
from tests.sim.compiler.works import image, make_work

KINDS = {
    "detect": Detections,
    "segment": Segmentations,
    "pose": Poses,
    "obb": RotatedDetections,
    "classify": Classifications,
}
CASES = [(family, task) for family in FAMILIES for task in KINDS if family != "yolov5" or task in ("detect", "segment")]
DEFAULT = {("yolov5", "segment"), ("yolov8", "detect"), ("yolov9", "pose"), ("yolo11", "obb"), ("yolo11", "classify"),
           ("yolo26", "pose")}  # fmt: skip
MIN_COSINE = 0.95  # of seeded noise weights on 8 channels: a wrong scale or layout gives less than half


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))


def _check(folder: Path, family: str, task: str) -> None:
    options: dict[str, Any] = {"end_to_end": True, "opset": 17} if (family, task) == ("yolo26", "pose") else {}
    yaml = make_work(folder, family=family, task=task, size_wh=(96, 64), **options)
    compile_model(yaml, toolchain="sim")
    built = next((folder / "out").glob("*_modified.bin"))
    bgr = image(0)
    with edgekit.load(built, conf=0.3) as int8, edgekit.load(folder / "stock.onnx", conf=0.3) as reference:
        heads, letterbox = int8.prepare(bgr)
        raw = int8.infer(heads)
        floats = reference.infer(reference.prepare(bgr)[0])
        for head in int8.spec.outputs:
            value = raw[head.name] * np.asarray(head.scale or 1, np.float32)
            assert _cosine(value, floats[head.name]) > MIN_COSINE, head.name
        results = int8.decode(raw, letterbox)
    assert type(results) is KINDS[task]
    assert len(results) > 0
    assert results.to_dict()["simulated"]
    assert (results.draw(bgr) != bgr).any()


@pytest.mark.parametrize(("family", "task"), sorted(DEFAULT))
def test_from_stock_export_to_int8_results(family: str, task: str, tmp_path: Path) -> None:
    _check(tmp_path, family, task)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "task"), [case for case in CASES if case not in DEFAULT])
def test_every_other_family_and_task(family: str, task: str, tmp_path: Path) -> None:
    _check(tmp_path, family, task)
