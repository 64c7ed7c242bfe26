"""Tuning a Q/DQ graph: the thresholds that it declares stand in every candidate, and the report says so."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import onnx
import pytest

from edgekit.sim.compiler.calibration.declared import declared_thresholds
from edgekit.tuning import TuneOptions, TuneResult, time_budget, tune
from edgekit.tuning.builds import bounds_above, clip_thresholds, clippable_tensors, effective_clip_ranges, thresholds_of
from edgekit.tuning.candidate import PLAIN, Candidate
from edgekit.tuning.run import SEARCH_DIR
from edgekit.tuning.workspace import Workspace
from tests.qdq_twins import qdq_twin
from tests.tiny_yolo import save_tiny_yolo
from tests.tuning.test_tune import SIZE_WH, STRIDES, TINY


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, TuneResult]]:
    """A small Q/DQ graph whose convolutions alone are quantized: sums and concatenations are left to the search."""
    folder = tmp_path_factory.mktemp("declared")
    stock = save_tiny_yolo(folder / "tiny.onnx", num_classes=4, size_wh=SIZE_WH, strides=STRIDES, opset=13)
    onnx.save(qdq_twin(stock, op_types_to_quantize=["Conv"]), str(folder / "twin.onnx"))
    (folder / "images").mkdir()
    for i in range(16):
        noise = np.random.default_rng(i).integers(0, 256, (6, 9, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / f"{i:02d}.png"), cv2.resize(noise, (120, 90)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_budget, "PLANS", (TINY,))
        options = TuneOptions(workers=1, minutes=2.5, max_extra_cost=3.0)
        result = tune(folder / "twin.onnx", folder / "images", folder / "out", options)
    yield Workspace(folder / "out" / SEARCH_DIR), result


def declared_of(workspace: Workspace, candidate: Candidate) -> dict[str, float]:
    model = workspace.model(candidate.calibration_set, PLAIN)
    return declared_thresholds(model.graph.declared, model.plan)


def test_every_step_keeps_what_the_model_declares(tuned: tuple[Workspace, TuneResult]) -> None:
    workspace, result = tuned
    for step in result.steps:
        declared = declared_of(workspace, step.candidate)
        chosen = thresholds_of(workspace, step.candidate)
        assert 10 < len(declared) < len(chosen)
        assert {tensor: chosen[tensor] for tensor in declared} == declared
        assert not {tensor for tensor, _ in step.candidate.clip_ranges} & set(declared)
        assert step.candidate.graph != "equalized"


def test_clip_ranges_are_for_the_other_tensors_and_bring_no_declared_threshold_down(
    tuned: tuple[Workspace, TuneResult],
) -> None:
    workspace, result = tuned
    candidate = result.steps[0].candidate
    declared, model = declared_of(workspace, candidate), workspace.model(candidate.calibration_set, PLAIN)
    assert not clippable_tensors(model) & set(declared)
    assert not set(bounds_above(workspace, candidate, 0.9)) & set(declared)
    convolution = next(n.output for n in model.graph.nodes if n.op == "Conv" and n.output in declared)
    clipped = candidate.with_clip_range(convolution, declared[convolution] / 100)
    clip_ranges = effective_clip_ranges(clipped, model)
    assert convolution in clip_ranges
    thresholds = clip_thresholds(thresholds_of(workspace, clipped), clip_ranges, model)
    assert {tensor: thresholds[tensor] for tensor in declared} == declared


def test_what_was_written_is_what_was_measured(tuned: tuple[Workspace, TuneResult]) -> None:
    _, result = tuned
    assert result.built.everywhere.mean == pytest.approx(result.chosen.step.error, rel=0.05)
    assert any("thresholds are the model's own (Q/DQ) and were kept" in note for note in result.notes)
