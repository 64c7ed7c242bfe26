from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval

from edgekit.evaluation.bootstrap import image_weights
from edgekit.evaluation.coco import AREAS, IOU_TYPES, _coco, _coco_labels, _results, match
from edgekit.evaluation.detections import ImageDetections
from edgekit.evaluation.labels import Labels
from edgekit.evaluation.precision import ClassMatches, average_precision, mean_precision, mean_precisions
from tests.evaluation.made_up import CLASSES, SIZE_WH, found, random_set


def table(hits: list[int], images: list[int], objects: list[int], ignored: list[int] | None = None) -> ClassMatches:
    return ClassMatches(
        np.asarray(images),
        np.asarray([hits], bool),
        np.asarray([ignored or [0] * len(hits)], bool),
        np.asarray(objects),
        np.linspace(1, 0, len(hits)),
    )


def test_a_curve_by_hand() -> None:
    """Hit, miss, hit of three objects: precision 1 up to recall 1/3, 2/3 up to 2/3, then nothing."""
    ap = average_precision(table([1, 0, 1], [0, 0, 1], [2, 1]), np.ones((1, 2)))
    assert ap[0, 0] == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)


def test_an_ignored_detection_counts_neither_way() -> None:
    ap = average_precision(table([1, 1, 1], [0, 0, 0], [2], ignored=[0, 1, 0]), np.ones((1, 1)))
    assert ap[0, 0] == pytest.approx(1.0)


def test_edges() -> None:
    none = ClassMatches(
        np.zeros(0, np.intp), np.zeros((10, 0), bool), np.zeros((10, 0), bool), np.asarray([2, 0]), np.zeros(0)
    )
    assert (average_precision(none, np.ones((1, 2))) == 0).all()
    weights = np.asarray([[1.0, 1], [0, 2]])
    assert np.isnan(average_precision(table([1], [0], [1, 0]), weights)[1, 0])  # no object was drawn
    assert np.isnan(mean_precision({}, np.ones((1, 2)))).all()


def coco_figures(truth: Labels, detections: list[ImageDetections], kind: str) -> tuple[float, list[float]]:
    """mAP50-95 and per area, by pycocotools from beginning to end."""
    images = [{"id": f.image_id, "width": SIZE_WH[0], "height": SIZE_WH[1]} for f in detections]
    rows: list[dict[str, object]] = []
    for one in detections:
        rows += _results(one, CLASSES, kind, first_id=len(rows) + 1)
    categories = sorted(CLASSES.names)
    with contextlib.redirect_stdout(io.StringIO()):
        labels = _coco_labels(truth, {f.image_id for f in detections}, CLASSES, kind)
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
    truth, detections = random_set(seed, masks=kind == "mask")
    matches = match(truth, detections, CLASSES, kind=kind)
    ones = np.ones((1, len(detections)))
    overall, areas = coco_figures(truth, detections, kind)
    assert mean_precision(matches.by_area["all"], ones)[0] == pytest.approx(overall, abs=1e-12)
    ours = [float(mean_precision(matches.by_area[area], ones)[0]) for area in AREAS[1:]]
    assert ours == pytest.approx(areas, abs=1e-12, nan_ok=True)


def test_images_full_of_misses_count_as_pycocotools_counts_them() -> None:
    """More of a class without a label than COCO counts, small and large, with equal scores: cut at 100 alike."""
    truth, detections = random_set(11)
    rng = np.random.default_rng(5)
    crowded = []
    for one in detections:
        corners, sizes = rng.uniform(0, 60, (260, 2)), rng.uniform(2, 100, (260, 2))
        scores = np.sort(np.round(0.7 * rng.random(260), 1))[::-1]
        new = np.hstack([corners, corners + sizes, scores[:, None], rng.integers(0, 3, (260, 1))])
        old = np.hstack([one.boxes_xyxy, one.scores[:, None], one.class_ids[:, None]])
        crowded.append(found(one.image_id, [tuple(row) for row in np.vstack([old, new])]))
    matches = match(truth, crowded, CLASSES, kind="box")
    ones = np.ones((1, len(crowded)))
    overall, areas = coco_figures(truth, crowded, "box")
    assert 0.01 < overall < 0.9
    assert mean_precision(matches.by_area["all"], ones)[0] == pytest.approx(overall, abs=1e-12)
    ours = [float(mean_precision(matches.by_area[area], ones)[0]) for area in AREAS[1:]]
    assert ours == pytest.approx(areas, abs=1e-12, nan_ok=True)


def test_several_figures_at_once_are_those_one_by_one() -> None:
    truth, detections = random_set(5)
    table = match(truth, detections, CLASSES, kind="box").by_area["all"]
    weights = image_weights(len(detections), 30)
    both = mean_precisions(table, weights, (None, 0.5, 0.75))
    for ours, iou in zip(both, (None, 0.5, 0.75), strict=True):
        assert np.array_equal(ours, mean_precision(table, weights, iou=iou), equal_nan=True)
    assert both[0][0] < both[1][0]


def test_a_weight_is_the_same_as_having_the_image_that_often() -> None:
    truth, detections = random_set(7, images=5)
    times = [2, 0, 1, 3, 1]
    copies, labels = [], []
    for image, count in zip(detections, times, strict=True):
        for copy in range(count):
            new_id = image.image_id * 10 + copy
            copies.append(replace(image, image_id=new_id))
            labels += [{**a, "image_id": new_id} for a in truth.annotations if a["image_id"] == image.image_id]
    labels = [{**a, "id": i} for i, a in enumerate(labels, 1)]
    drawn = match(truth, detections, CLASSES, kind="box")
    ours = mean_precision(drawn.by_area["all"], np.asarray([times], float))[0]
    assert ours == pytest.approx(coco_figures(replace(truth, annotations=tuple(labels)), copies, "box")[0], abs=1e-12)


def test_resamples_in_blocks_are_the_same_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, detections = random_set(3)
    matches = match(truth, detections, CLASSES, kind="box").by_area["all"]
    weights = image_weights(len(detections), 40)
    at_once = mean_precision(matches, weights)
    monkeypatch.setattr("edgekit.evaluation.precision.BOOTSTRAP_BLOCK", 1)
    assert np.array_equal(mean_precision(matches, weights), at_once, equal_nan=True)
