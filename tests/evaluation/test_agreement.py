from __future__ import annotations

import numpy as np
import pytest

from edgekit.evaluation.agreement import agree_on_image, summarise
from edgekit.evaluation.bootstrap import image_weights
from tests.evaluation.made_up import found, random_set

REFERENCE = found(1, [(0, 0, 100, 100, 0.9, 0), (100, 100, 200, 150, 0.5, 1), (0, 100, 50, 150, 0.3, 2)], masks=True)


def test_by_hand() -> None:
    """One found again at IoU 0.85, one of the wrong class; one of ours is new, one only the reference doubted."""
    ours = found(
        1,
        [
            (0, 0, 100, 85, 0.7, 0),
            (100, 100, 200, 150, 0.5, 2),
            (0, 100, 50, 150, 0.45, 2),  # the reference shows it with 0.3
            (20, 20, 30, 30, 0.1, 1),
        ],
        masks=True,
    )
    one = agree_on_image(ours, REFERENCE)
    assert (one.reference, one.matched, one.confident, one.gained) == (2, (1, 1, 0), 3, 1)
    assert one.iou_sum == pytest.approx(0.85, abs=1e-6)
    assert one.mask_iou_sum == pytest.approx(0.85, abs=1e-6)
    assert one.score_shift == pytest.approx(0.2, abs=1e-6)
    assert (one.shown_iou, one.shown) == pytest.approx((1.85, 3), abs=1e-6)  # the wrong class: half a pair on each side


def test_each_detection_answers_for_one_object_alone() -> None:
    twice = found(1, [(0, 0, 100, 100, 0.9, 0), (2, 2, 100, 100, 0.8, 0)])
    once = found(1, [(1, 1, 100, 100, 0.9, 0)])
    assert agree_on_image(once, twice).matched == (1, 1, 1)


def test_what_falls_below_the_shown_score_is_lost() -> None:
    faint = found(1, [(0, 0, 100, 100, 0.24, 0)])
    assert agree_on_image(faint, REFERENCE).matched[0] == 0


def test_a_model_agrees_with_itself() -> None:
    _, detections = random_set(1)
    rows = [agree_on_image(one, one) for one in detections]
    result = summarise(rows, image_weights(len(rows), 50), has_masks=False)
    assert [one.value for _, one in result.matched] == [1, 1, 1]
    assert result.quality.value == pytest.approx(1) and result.draws == pytest.approx(np.ones(51))
    assert (result.gained.value, result.score_shift) == (0, 0) and result.box_iou == pytest.approx(1)
    assert np.isnan(result.mask_iou) and result.to_dict()["mean_mask_iou"] is None


def test_nothing_to_agree_on() -> None:
    nothing = found(1, [])
    one = agree_on_image(nothing, nothing)
    result = summarise([one], image_weights(1, 10), has_masks=True)
    assert np.isnan(result.quality.value) and result.to_dict()["panoptic_quality"]["value"] is None
    assert result.reference == 0 and np.isnan(result.matched[0][1].value)
