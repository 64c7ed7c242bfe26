"""What we write is the vendor's dialect: its own executor takes our graphs and gives our integers."""

from pathlib import Path
from typing import Any

import pytest

from edgekit.compilation.build import compile_model
from edgekit.sim.verify_model import verify_model
from tests.sim.compiler.works import make_work


@pytest.mark.toolchain
@pytest.mark.parametrize(
    "options",
    [
        {"task": "segment"},
        {"family": "yolo11", "calibration": "kl"},
        {"family": "yolov9", "kind": "nv12"},
        {"task": "classify"},
        {"task": "segment", "march": "bernoulli2"},
    ],
    ids=lambda options: " ".join(options.values()),
)
def test_the_vendors_executor_gives_the_same_integers(tmp_path: Path, options: dict[str, Any]) -> None:
    result = compile_model(make_work(tmp_path, **options), toolchain="sim")
    found = verify_model(result.quantized_path, oracle="hb_mapper")
    assert found.passed
    assert any("vendor" in comparison.kind for comparison in found.comparisons)
