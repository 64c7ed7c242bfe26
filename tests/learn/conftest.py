"""Everything here but the hint for a missing torch needs torch: without it the tests skip, visibly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.sim.compiler.works import make_work
from tests.tiny_yolo import FAMILIES

DETECTORS = [(family, "detect") for family in FAMILIES]
OTHERS = [
    (family, task) for family in ("yolov8", "yolo11", "yolo26") for task in ("segment", "pose", "obb", "classify")
]
HEADS = [*DETECTORS, *OTHERS, ("yolov5", "segment")]


@pytest.fixture
def works(tmp_path: Path) -> Callable[..., Path]:
    """Makes calibration folders of tiny models; gives their yaml."""

    def make(**options: Any) -> Path:
        return make_work(tmp_path / "work", **{"num_classes": 4, "size_wh": (96, 64), **options})

    return make


def write_images(folder: Path, count: int) -> Path:
    """A folder of blurred noise, each image another."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True)
    for i in range(count):
        noise = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{i:03d}.png"), cv2.resize(noise, (120, 90), interpolation=cv2.INTER_CUBIC))
    return folder
