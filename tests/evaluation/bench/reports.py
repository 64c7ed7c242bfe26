"""Made-up rows and reports: figures that nobody measured, for what prints and draws them."""

from __future__ import annotations

from typing import Any

from edgekit.evaluation.bench.report import BenchReport
from edgekit.evaluation.bench.row import Metric, Row
from edgekit.runtime.perf import Latency

REQUEST = {"settings": {"frames": 100, "warmup": 10, "conf": 0.25, "iou": 0.7}}


def latency(p50: float) -> Latency:
    return Latency(p50 * 1.02, p50, p50 * 1.1, p50 * 1.5, p50 * 0.9, p50 * 1.6)


def row(model: str = "yolo.onnx", p50: float = 20.0, *, box: float | None = 0.4, **changes: Any) -> Row:
    """A measured row; `box` None leaves the scores out."""
    scores = {} if box is None else {"box": Metric("mAP50-95", box, box - 0.03, box + 0.04, box + 0.2)}
    values: dict[str, Any] = {
        "model": model,
        "file": f"models/{model}",
        "requested": "auto",
        "format": "ONNX",
        "precision": "float32",
        "device": "onnxruntime",
        "size_wh": (640, 480),
        "threads": 2,
        "size_mb": 12.25,
        "frames": 100,
        "fps": 1000 / p50,
        "objects_per_frame": 3.0,
        "total": latency(p50),
        "stages": {"prepare": latency(1.0), "infer": latency(p50 - 2), "decode": latency(1.0)},
        "scores": scores,
        "images": 129 if scores else 0,
    }
    return Row(**{**values, **changes})


def simulated(model: str = "tiny_quantized_model.onnx", p50: float = 90.0, **changes: Any) -> Row:
    return row(model, p50, **{"device": "sim", "precision": "int8", **changes})


def failed(model: str = "broken.onnx", status: str = "failed", **changes: Any) -> Row:
    nothing: dict[str, Any] = {"total": None, "stages": {}, "fps": None, "frames": 0, "device": "", "precision": ""}
    says = {"error": f"{model} | is broken", "hint": "fix it"}
    return row(model, box=None, status=status, **{**nothing, **says, **changes})


def report(*rows: Row, total: int | None = None, **changes: Any) -> BenchReport:
    return BenchReport(
        request=REQUEST,
        machine={"cpu": "A Processor", "board": None, "cpus": "8"},
        started="2026-01-02 03:04:05+00:00",
        timing_images="32 images of the data set",
        rows=rows,
        total=len(rows) if total is None else total,
        **changes,
    )
