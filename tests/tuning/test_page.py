"""The settings of a tuning as points of the plot: each candidate once, with what it was measured and scored by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.evaluation.bootstrap import Interval
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.measurement import Measurement
from edgekit.tuning.page import DISAGREEMENT, ERROR, tune_settings
from edgekit.tuning.prove import Proof
from edgekit.tuning.records import SearchStep, Trial
from edgekit.tuning.report import TuneResult
from edgekit.tuning.time_budget import SearchPlan

INT8 = Candidate("diverse")
CLIPPED = INT8.with_clip_range("a", 3.0)
MIXED = CLIPPED.with_int16(["a", "b"])


def step(change: str, candidate: Candidate, loss: float, cost: float) -> SearchStep:
    return SearchStep(change, candidate, loss / 10, loss / 20, loss, loss, cost, 5, 2 * (1 + cost))


UNTUNED, CLIPS, WIDER = step("untuned", INT8, 1, 0), step("clips", CLIPPED, 0.7, 0), step("int16", MIXED, 0.4, 0.2)


def trial(step: SearchStep, kept: float | None, disagreement: float | None) -> Trial:
    report: dict[str, Any] = {"kept": {"box": {"value": kept, "low": 0, "high": 1}}} if kept is not None else {}
    return Trial(step, {**report, "disagreement_draws": [disagreement]} if disagreement is not None else report)


def result(**changes: Any) -> TuneResult:
    rng = np.random.default_rng(0)
    errors = Measurement.__new__(Measurement)
    made = TuneResult(
        yaml=Path("model.yaml"),
        plan=SearchPlan("tiny", (1,), (0.999,), (("diverse", 2),), 1, (0.999,), 1, 1, 1, 1),
        steps=(UNTUNED, CLIPS),
        front=(WIDER, CLIPS),
        points=(),
        untuned=trial(UNTUNED, 0.9, 0.3),
        chosen=trial(WIDER, 0.99, 0.1),
        built=errors,
        ratios=(("box", Interval(float(rng.random()), 0, 1)),),
        targets_met=True,
        trials=(trial(WIDER, 0.99, 0.1), trial(CLIPS, 0.95, 0.2)),
    )
    return replace(made, **changes)


def test_every_candidate_is_a_setting_once() -> None:
    settings, criteria = tune_settings(result())
    assert [setting.what for setting in settings] == ["untuned", "clips", "int16"]
    assert [setting.is_chosen for setting in settings] == [False, False, True]
    assert [setting.milliseconds for setting in settings] == [2.0, 2.0, 2.4]
    assert [(row.key, row.more_is_better) for row in criteria] == [
        (ERROR, False), ("kept box", True), (DISAGREEMENT, False),
    ]  # fmt: skip
    assert settings[1].values == {ERROR: 0.7, "kept box": 0.95, DISAGREEMENT: 0.2}


def test_what_was_not_scored_has_its_error_alone() -> None:
    settings, _ = tune_settings(result(trials=()))
    assert settings[1].values == {ERROR: 0.7}


def test_without_labels_nothing_is_kept_and_a_disagreement_that_is_none_is_no_axis() -> None:
    settings, criteria = tune_settings(
        result(untuned=trial(UNTUNED, None, None), chosen=trial(WIDER, None, None), trials=())
    )
    assert [row.key for row in criteria] == [ERROR]
    assert all(set(setting.values) == {ERROR} for setting in settings)


def test_details_name_tensors_and_what_the_compiler_took() -> None:
    settings, _ = tune_settings(result(proofs=(Proof("int16", WIDER.candidate, 2.4, 2.5),)))
    details = dict(settings[2].details)
    assert details["int16"] == "2: a, b" and details["clip ranges"] == "1: a"
    assert details["compiled at O3"] == "2.500 ms" and details["calibrator"] == "max"
    assert "int16" not in dict(settings[0].details)


@pytest.mark.parametrize("count", [40, 41, 300])
def test_many_tensors_are_counted_and_the_first_named(count: int) -> None:
    wide = replace(WIDER, candidate=INT8.with_int16([f"tensor_{i:03d}" for i in range(count)]))
    settings, _ = tune_settings(result(front=(wide,), chosen=trial(wide, None, None), trials=()))
    text = dict(settings[2].details)["int16"]
    assert text.startswith(f"{count}: tensor_000, ") and len(text) < 600
    assert ("more" in text) == (count > 40)
