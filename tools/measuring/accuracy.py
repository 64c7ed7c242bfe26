"""Accuracy of the really compiled model, and what the simulated compiler keeps; both on the shared images."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benches.heads import COMPILED, MODEL, SHARED

from measuring.runs import edgekit_json, make_table, span
from measuring.table import Cell, Column, Table

COCO = SHARED / "coco"
RGB = SHARED / "horizon/yolov8n_seg_rgb/yolov8n_seg_bayese_640x640_nchw_quantized_model.onnx"
BUILDS = {"really compiled, rgb": RGB, "really compiled, nv12": COMPILED}
OVER_IMAGES = "95 % bootstrap interval over images"


def measure_accuracy() -> Table:
    """Box and mask mAP of both builds, and what they keep of the float model's."""
    rows: list[list[Cell]] = []
    for name, build in BUILDS.items():
        with tempfile.TemporaryDirectory() as folder:
            report = edgekit_json(
                "eval", "--model", build, "--data", COCO / "instances_val.json", "--images", COCO / "images" / "val",
                "--against", MODEL, "-o", Path(folder) / "eval",
            )  # fmt: skip
        if not rows:
            rows.append(["float ONNX", *(_map(report["reference"], kind) for kind in ("box", "mask")), None, None])
        rows.append(
            [
                name,
                *(_map(report["model"], kind) for kind in ("box", "mask")),
                *(span(report["kept"][kind]) for kind in ("box", "mask")),
            ]
        )
    columns = (
        Column("model"),
        Column("box mAP50-95", "map"),
        Column("mask mAP50-95", "map"),
        Column("box kept", "percent"),
        Column("mask kept", "percent"),
    )
    command = "edgekit eval --model QUANTIZED --data instances_val.json --against yolov8n-seg.onnx"
    return make_table(command, columns, rows, interval=OVER_IMAGES)


def _map(scores: dict[str, dict[str, dict[str, dict[str, float]]]], kind: str) -> float:
    return scores["scores"][kind]["mAP50-95"]["value"]


def measure_simulated_compiler() -> Table:
    """The float model's detections that builds of the simulated compiler find again, without labels."""
    rows: list[list[Cell]] = []
    for kind in ("rgb", "nv12"):
        with tempfile.TemporaryDirectory() as folder:
            rows.append([kind, *_build_and_compare(kind, Path(folder))])
    columns = (
        Column("input"),
        Column("lowest cosine of an output", "cosine"),
        Column("float detections", "count"),
        *(Column(f"found again at box IoU {iou}", "percent") for iou in ("0.5", "0.8", "0.9")),
    )
    command = "edgekit eval --model BUILD --images val/ --against yolov8n-seg.onnx"
    return make_table(command, columns, rows, interval=OVER_IMAGES)


def _build_and_compare(kind: str, folder: Path) -> list[Cell]:
    work = folder / "work"
    images = COCO / "images"
    edgekit_json("calibrate", "--model", MODEL, "--images", images / "train", "--input", kind, "-o", work)
    built = edgekit_json("compile", next(work.glob("*.yaml")), "--toolchain", "sim")
    report = edgekit_json(
        "eval", "--model", next((work / "model_output").glob("*_modified.bin")), "--images", images / "val",
        "--against", MODEL, "-o", folder / "eval",
    )  # fmt: skip
    agreement = report["agreement"]
    return [
        min(built["output_cosines"].values()),
        agreement["reference_detections"],
        *(span(agreement["matched"][f"iou_{iou}"]) for iou in ("0.5", "0.8", "0.9")),
    ]
