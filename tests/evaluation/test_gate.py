from __future__ import annotations

import math

import numpy as np
import pytest

from edgekit.errors import ConfigError
from edgekit.evaluation.bootstrap import Interval
from edgekit.evaluation.gate import check_requirements, parse_requirements
from edgekit.evaluation.scores import ModelScores, Score


def scores(**values: float) -> ModelScores:
    of_kind = {k: Score("mAP50-95", Interval(v, v, v), np.asarray([v])) for k, v in values.items()}
    return ModelScores("m.bin", "sim", 3, (), of_kind, ())


def test_scores_are_read_by_kind() -> None:
    assert parse_requirements("box=.37,mask=.30") == {"box": 0.37, "mask": 0.3}
    assert parse_requirements(" pose=1 , obb=0,top-1=0.5") == {"keypoint": 1, "rotated box": 0, "top-1": 0.5}


@pytest.mark.parametrize(
    "text", ["", "box", "box=", "box=x", "box=nan", "box=37", "box=-1", "boxes=.3", "box=.1,box=.2"]
)
def test_what_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--require"):
        parse_requirements(text)


def test_what_is_missed_says_by_how_much() -> None:
    box, mask = check_requirements(scores(box=0.4, mask=0.25), {"box": 0.4, "mask": 0.3})
    assert box.passed and not mask.passed
    assert mask.to_dict()["difference"] == pytest.approx(-0.05) and mask.to_dict()["passed"] is False


def test_a_score_without_objects_is_not_reached() -> None:
    (box,) = check_requirements(scores(box=math.nan), {"box": 0})
    assert not box.passed and box.to_dict()["measured"] is None and box.to_dict()["difference"] is None


def test_a_kind_that_was_not_scored_is_refused() -> None:
    with pytest.raises(ConfigError, match="'mask', but m.bin is scored on box"):
        check_requirements(scores(box=0.4), {"mask": 0.1})
