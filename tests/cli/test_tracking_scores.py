"""MOTA and IDF1 of `edgekit run --track` on videos with known truth: the shipped model, occlusion, motmetrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgekit.cli.main import main
from edgekit.ops.boxes import box_iou
from tests.conftest import ROOT
from tests.tracking.videos import Truth, write_moving_video

pytestmark = pytest.mark.slow

MODEL = ROOT / "edgekit" / "demo" / "demo_seg.onnx"
SEEDS = (1, 2, 3)
FRAMES, COUNT = 80, 4


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()][1:]


def tracked(row: dict[str, Any]) -> tuple[list[int], npt.NDArray[np.float32]]:
    """Ids and boxes of the objects that have a track."""
    objects = [item for item in row["objects"] if item["track_id"] is not None]
    boxes = np.asarray([item["box_xyxy"] for item in objects], np.float32).reshape(-1, 4)
    return [item["track_id"] for item in objects], boxes


def scored(motmetrics: Any, videos: Sequence[tuple[list[dict[str, Any]], list[Truth]]]) -> dict[str, float]:
    accumulators = []
    for rows, truth in videos:
        accumulator = motmetrics.MOTAccumulator(auto_id=True)
        for row, expected in zip(rows, truth, strict=True):
            ids, boxes = tracked(row)
            distances = 1 - box_iou(expected.boxes_xyxy, boxes).astype(float)
            distances[distances > 0.5] = np.nan
            accumulator.update(expected.ids.tolist(), ids, distances)
        accumulators.append(accumulator)
    names = ["mota", "idf1", "num_switches", "num_objects"]
    table = motmetrics.metrics.create().compute_many(accumulators, metrics=names, generate_overall=True)
    return {name: float(table.loc["OVERALL", name]) for name in names}


def test_tracks_of_a_video_are_those_of_its_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    motmetrics = pytest.importorskip("motmetrics")
    videos = []
    for seed in SEEDS:
        video, out = tmp_path / f"{seed}.mp4", tmp_path / f"out{seed}"
        truth = write_moving_video(video, seed, count=COUNT, frames=FRAMES)
        command = ["run", "--model", str(MODEL), "--source", str(video), "-o", str(out), "--track", "--no-images"]
        assert main([*command, "--masks", "none"]) == 0
        videos.append((rows_of(out / "results.jsonl"), truth))
    capsys.readouterr()
    score = scored(motmetrics, videos)
    print(f"MOTA {score['mota']:.4f}  IDF1 {score['idf1']:.4f}  switches {score['num_switches']:.0f}")
    assert score["num_objects"] > 0.8 * len(SEEDS) * FRAMES * COUNT
    assert score["mota"] > 0.8 and score["idf1"] > 0.7
