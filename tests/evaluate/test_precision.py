from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval

from edgekit.evaluate.bootstrap import photo_weights
from edgekit.evaluate.coco import AREAS, IOU_TYPES, _coco, _labels, _results, match
from edgekit.evaluate.precision import ClassMatches, average_precision, mean_precision
from edgekit.evaluate.predictions import Found
from edgekit.evaluate.truth import Truth
from tests.evaluate.made_up import CLASSES, SIZE_WH, random_set


def table(hits: list[int], photos: list[int], objects: list[int], ignored: list[int] | None = None) -> ClassMatches:
    return ClassMatches(
        np.asarray(photos),
        np.asarray([hits], bool),
        np.asarray([ignored or [0] * len(hits)], bool),
        np.asarray(objects),
    )


def test_a_curve_by_hand() -> None:
    """Hit, miss, hit of three objects: precision 1 up to recall 1/3, 2/3 up to 2/3, then nothing."""
    ap = average_precision(table([1, 0, 1], [0, 0, 1], [2, 1]), np.ones((1, 2)))
    assert ap[0, 0] == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)


def test_an_ignored_detection_counts_neither_way() -> None:
    ap = average_precision(table([1, 1, 1], [0, 0, 0], [2], ignored=[0, 1, 0]), np.ones((1, 1)))
    assert ap[0, 0] == pytest.approx(1.0)


def test_edges() -> None:
    none = ClassMatches(np.zeros(0, np.intp), np.zeros((10, 0), bool), np.zeros((10, 0), bool), np.asarray([2, 0]))
    assert (average_precision(none, np.ones((1, 2))) == 0).all()
    weights = np.asarray([[1.0, 1], [0, 2]])
    assert np.isnan(average_precision(table([1], [0], [1, 0]), weights)[1, 0])  # no object was drawn
    assert np.isnan(mean_precision({}, np.ones((1, 2)))).all()


def coco_figures(truth: Truth, found: list[Found], kind: str) -> tuple[float, list[float]]:
    """mAP50-95 and per area, by pycocotools from beginning to end."""
    images = [{"id": f.image_id, "width": SIZE_WH[0], "height": SIZE_WH[1]} for f in found]
    rows: list[dict[str, object]] = []
    for one in found:
        rows += _results(one, CLASSES, kind, first_id=len(rows) + 1)
    categories = sorted(CLASSES.names)
    with contextlib.redirect_stdout(io.StringIO()):
        labels = _labels(truth, {f.image_id for f in found}, CLASSES, kind)
        run = COCOeval(_coco(images, labels, categories), _coco(images, rows, categories), IOU_TYPES[kind])
        run.evaluate()
        run.accumulate()
    values = run.eval["precision"][:, :, :, :, 2]  # (threshold, recall, class, area), 100 detections

    def mean(area: int) -> float:
        part = values[:, :, :, area]
        return float(part[part > -1].mean()) if (part > -1).any() else float("nan")

    return mean(0), [mean(a) for a in range(1, 4)]


@pytest.mark.parametrize("kind", ["box", "mask"])
@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_those_of_pycocotools(seed: int, kind: str) -> None:
    truth, found = random_set(seed, masks=kind == "mask")
    matches = match(truth, found, CLASSES, kind=kind)
    ones = np.ones((1, len(found)))
    overall, areas = coco_figures(truth, found, kind)
    assert mean_precision(matches.by_area["all"], ones)[0] == pytest.approx(overall, abs=1e-12)
    ours = [float(mean_precision(matches.by_area[area], ones)[0]) for area in AREAS[1:]]
    assert ours == pytest.approx(areas, abs=1e-12, nan_ok=True)


def test_a_weight_is_the_same_as_having_the_photo_that_often() -> None:
    truth, found = random_set(7, photos=5)
    times = [2, 0, 1, 3, 1]
    copies, labels = [], []
    for photo, count in zip(found, times, strict=True):
        for copy in range(count):
            new_id = photo.image_id * 10 + copy
            copies.append(replace(photo, image_id=new_id))
            labels += [{**a, "image_id": new_id} for a in truth.annotations if a["image_id"] == photo.image_id]
    labels = [{**a, "id": i} for i, a in enumerate(labels, 1)]
    drawn = match(truth, found, CLASSES, kind="box")
    ours = mean_precision(drawn.by_area["all"], np.asarray([times], float))[0]
    assert ours == pytest.approx(coco_figures(replace(truth, annotations=tuple(labels)), copies, "box")[0], abs=1e-12)


def test_resamples_in_blocks_are_the_same_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, found = random_set(3)
    matches = match(truth, found, CLASSES, kind="box").by_area["all"]
    weights = photo_weights(len(found), 40)
    at_once = mean_precision(matches, weights)
    monkeypatch.setattr("edgekit.evaluate.precision.BLOCK", 1)
    assert np.array_equal(mean_precision(matches, weights), at_once, equal_nan=True)
