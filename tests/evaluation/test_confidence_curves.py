from __future__ import annotations

import numpy as np
import pytest

from edgekit.evaluation.confidence_curves import CONFIDENCES, _smoothed, confidence_curves
from edgekit.evaluation.precision import ClassMatches


def matches(scores: list[float], hits: list[int], objects: int, ignored: list[int] | None = None) -> ClassMatches:
    """One image; the same hits at all thresholds."""
    return ClassMatches(
        np.zeros(len(scores), np.intp),
        np.tile(np.asarray(hits, bool), (10, 1)),
        np.tile(np.asarray(ignored or [0] * len(scores), bool), (10, 1)),
        np.asarray([objects]),
        np.asarray(scores, np.float64),
    )


def at(confidence: float) -> int:
    return int(np.abs(CONFIDENCES - confidence).argmin())


def test_the_curves_by_hand() -> None:
    """Hit at 0.9, miss at 0.6, hit at 0.3, of four objects: P 1, 1/2, 2/3 and R 1/4, 1/4, 1/2 from there down."""
    curves = confidence_curves({7: matches([0.9, 0.6, 0.3], [1, 0, 1], 4)})
    assert curves is not None and curves.categories == (7,)
    for confidence, precision, recall in [(0.95, 1, 0), (0.9, 1, 1 / 4), (0.6, 1 / 2, 1 / 4), (0.3, 2 / 3, 1 / 2)]:
        assert curves.precision[0, at(confidence)] == pytest.approx(precision, abs=2e-3)
        assert curves.recall[0, at(confidence)] == pytest.approx(recall, abs=2e-3)
    assert curves.precision[0, at(0.1)] == pytest.approx(2 / 3) and curves.recall[0, at(0.1)] == 1 / 2
    assert curves.precision[0, at(0.75)] == pytest.approx(3 / 4, abs=2e-3)  # linear between the scores
    assert curves.precision_at_recall[0, [0, 25, 26, 50, 51]] == pytest.approx([1, 1, 2 / 3, 2 / 3, 0])


def test_the_best_f1_is_that_of_the_smoothed_mean_by_hand() -> None:
    """Eight objects; all eight hits have scores of 0.5, a miss 0.2: F1 is 16/17 up to 0.2, then rises to 1 at 0.5.

    The running mean over 101 confidences (0.05 to either side) is highest where it lies below 0.5 by its half width
    or less: on the rising line between 0.2 and 0.5, cut off by the zeros above 0.5.
    """
    curves = confidence_curves({1: matches([0.5] * 8 + [0.2], [1] * 8 + [0], 8)})
    assert curves is not None
    assert 0.44 < curves.confidence < 0.46
    precision, recall, f1 = curves.mean_at_best()
    line = 8 / 9 + 1 / 9 * (curves.confidence - 0.2) / 0.3  # precision from 8/9 at 0.2 to 8/8 at 0.5
    assert precision == pytest.approx(line, abs=2e-3) and recall == 1
    assert f1 == pytest.approx(2 * line / (line + 1), abs=2e-3)
    assert curves.at_best(1) == pytest.approx((precision, recall, f1)) and curves.at_best(2) == (0, 0, 0)


def test_classes_share_one_threshold_and_weigh_alike() -> None:
    sure, unsure = matches([0.9], [1], 1), matches([0.3], [1], 1)
    curves = confidence_curves({1: sure, 2: unsure})
    assert curves is not None
    assert curves.confidence < 0.3 and curves.mean_at_best() == pytest.approx((1, 1, 1))
    without = confidence_curves({1: sure, 2: matches([], [], 1), 3: matches([0.8], [0], 0)})
    assert without is not None and without.categories == (1, 2)  # no object, no row; no detection, a row of zeros
    assert without.mean_at_best() == pytest.approx((0.5, 0.5, 0.5))


def test_ignored_detections_count_neither_way() -> None:
    plain = confidence_curves({1: matches([0.9, 0.5], [1, 1], 2)})
    crowd = confidence_curves({1: matches([0.9, 0.7, 0.5], [1, 0, 1], 2, ignored=[0, 1, 0])})
    assert plain is not None and crowd is not None
    assert np.array_equal(plain.precision, crowd.precision) and np.array_equal(plain.recall, crowd.recall)


def test_nothing_to_detect_gives_no_curves() -> None:
    assert confidence_curves({}) is None and confidence_curves({1: matches([0.5], [0], 0)}) is None


def test_smoothing_keeps_constants_and_the_middle_of_lines() -> None:
    line = np.linspace(0, 1, 1000)
    assert _smoothed(np.ones(1000)) == pytest.approx(np.ones(1000))
    assert _smoothed(line)[50:-50] == pytest.approx(line[50:-50])


def test_json_has_the_mean_curves() -> None:
    curves = confidence_curves({1: matches([0.9, 0.2], [1, 0], 1)})
    assert curves is not None
    values = curves.to_dict()
    assert {len(v) for v in values.values()} == {101}
    assert values["confidence"][0] == 0 and values["confidence"][-1] == 1 and values["precision"][0] == 0.5
