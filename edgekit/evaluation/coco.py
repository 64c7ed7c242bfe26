"""Matching detections with labels by pycocotools, for precision by COCO's definition."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval, Params

from edgekit.evaluation.classes import ClassMap
from edgekit.evaluation.detections import ImageDetections
from edgekit.evaluation.labels import Labels
from edgekit.evaluation.precision import ClassMatches
from edgekit.ops.boxes import xyxy_to_ltwh

__all__ = ["AREAS", "Matches", "match"]

AREAS = ("all", "small", "medium", "large")  # below 32^2 pixels, below 96^2, above
IOU_TYPES = {"box": "bbox", "mask": "segm", "keypoint": "keypoints"}
MAX_DETECTIONS = {"box": 100, "mask": 100, "keypoint": 20}  # per image and class, as COCO counts
REQUIRED_KEYS = {"mask": "segmentation", "keypoint": "keypoints"}  # of a label, to be scored
AREAS_OF = {"keypoint": ("all", "medium", "large")}  # COCO marks no key points on small people


@dataclass(frozen=True, slots=True)
class Matches:
    """Which detections match which labels.

    Attributes:
        image_ids: The columns of the bootstrap's weights.
        by_area: Area range -> category id -> matches.
        objects: Category id -> number of objects.
    """

    image_ids: tuple[int, ...]
    by_area: Mapping[str, Mapping[int, ClassMatches]]
    objects: Mapping[int, int]


def match(labels: Labels, detections: Iterable[ImageDetections], classes: ClassMap, *, kind: str) -> Matches:
    """Match detections with labels; images that could not be read are skipped.

    Args:
        labels: The labels.
        detections: Of each image.
        classes: Which class of the model is which category.
        kind: "box", "mask" or "keypoint".

    Returns:
        The matches.
    """
    images: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image in detections:
        if image.error:
            continue
        width, height = image.size_wh
        images.append({"id": image.image_id, "width": width, "height": height})
        results += _results(image, classes, kind, first_id=len(results) + 1)
    return _evaluate(images, _coco_labels(labels, {i["id"] for i in images}, classes, kind), results, classes, kind)


def _evaluate(
    images: list[dict[str, Any]],
    labels: list[dict[str, Any]],
    results: list[dict[str, Any]],
    classes: ClassMap,
    kind: str,
) -> Matches:
    categories = sorted(set(classes.category_of.values()))
    labelled = {(label["image_id"], label["category_id"]) for label in labels}
    known = [row for row in results if (row["image_id"], row["category_id"]) in labelled]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools talks
        evaluation = COCOeval(_coco(images, labels, categories), _coco(images, known, categories), IOU_TYPES[kind])
        evaluation.params.maxDets = [MAX_DETECTIONS[kind]]
        if kind == "keypoint":
            evaluation.params.kpt_oks_sigmas = keypoint_sigmas(labels, evaluation.params.kpt_oks_sigmas)
        evaluation.evaluate()
    image_ids = tuple(int(i) for i in evaluation.params.imgIds)
    areas = AREAS_OF.get(kind, AREAS)
    strays = stray_rows(results, labelled, areas, evaluation.params)
    tables = _tables(evaluation.evalImgs, categories, areas, image_ids, strays)
    objects = {category: int(table.objects.sum()) for category, table in tables["all"].items()}
    return Matches(image_ids, tables, objects)


def keypoint_sigmas(labels: list[dict[str, Any]], of_people: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the sigma of each point: COCO's for its 17 points of a person, else equal ones (Ultralytics)."""
    points = len(labels[0]["keypoints"]) // 3 if labels else len(of_people)
    return of_people if points == len(of_people) else np.full(points, 1 / points)


def _coco(images: list[dict[str, Any]], annotations: list[dict[str, Any]], categories: list[int]) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": c, "name": str(c)} for c in categories],
    }
    coco.createIndex()
    return coco


def _results(image: ImageDetections, classes: ClassMap, kind: str, *, first_id: int) -> list[dict[str, Any]]:
    """Return COCO's result rows; areas as pycocotools' loadRes gives them: of the box, or of the mask."""
    from pycocotools import mask as coco_mask

    boxes = xyxy_to_ltwh(image.boxes_xyxy).astype(float).tolist()
    rles = [{"size": r["size"], "counts": r["counts"].encode("ascii")} for r in image.rles] if kind == "mask" else []
    # one by one: pycocotools 2.0.11 cannot take the areas of more than 255 masks at once beside numpy 2
    areas = [float(coco_mask.area(rle)) for rle in rles] if rles else [w * h for _, _, w, h in boxes]
    rows: list[dict[str, Any]] = []
    for i, class_id in enumerate(image.class_ids.tolist()):
        if class_id not in classes.category_of:
            continue
        row = {
            "id": first_id + len(rows),
            "image_id": image.image_id,
            "category_id": classes.category_of[class_id],
            "bbox": boxes[i],
            "score": float(image.scores[i]),
            "area": areas[i],
            "iscrowd": 0,
        }
        if rles:
            row["segmentation"] = rles[i]
        if kind == "keypoint":
            row |= _keypoint_fields(image, i)
        rows.append(row)
    return rows


def _keypoint_fields(image: ImageDetections, index: int) -> dict[str, Any]:
    """Return what loadRes adds: the box around the points gives the size, and that of the detection does not count."""
    assert image.keypoints is not None
    points = image.keypoints[index].astype(float)
    (x1, y1), (x2, y2) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return {"keypoints": points.ravel().tolist(), "area": (x2 - x1) * (y2 - y1), "bbox": [x1, y1, x2 - x1, y2 - y1]}


def _coco_labels(labels: Labels, image_ids: set[int], classes: ClassMap, kind: str) -> list[dict[str, Any]]:
    known = set(classes.category_of.values())
    return [
        dict(a)
        for a in labels.annotations
        if a["image_id"] in image_ids and a["category_id"] in known and (kind == "box" or a.get(REQUIRED_KEYS[kind]))
    ]


def stray_rows(
    results: list[dict[str, Any]], labelled: set[tuple[int, int]], areas: tuple[str, ...], params: Params
) -> dict[tuple[int, str, int], dict[str, Any]]:
    """Return detections of classes that their image has no label of, as pycocotools' `evaluateImg` would, but fast.

    By category, area range and image: all are misses, and those outside the range do not count. They are most of the
    rows at a low score threshold.
    """
    groups: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in results:
        key = row["image_id"], row["category_id"]
        if key not in labelled:
            groups.setdefault(key, []).append(row)
    ranges = dict(zip(areas, params.areaRng, strict=True))
    rows: dict[tuple[int, str, int], dict[str, Any]] = {}
    for (image_id, category), group in groups.items():
        best = sorted(group, key=lambda row: -row["score"])[: params.maxDets[-1]]
        scores, sizes = ([row[name] for row in best] for name in ("score", "area"))
        for area, (low, high) in ranges.items():
            outside = np.asarray([size < low or size > high for size in sizes])
            misses = np.zeros((len(params.iouThrs), len(best)))
            ignored = np.broadcast_to(outside, misses.shape)
            rows[category, area, image_id] = {
                "dtScores": scores,
                "dtMatches": misses,
                "dtIgnore": ignored,
                "gtIgnore": [],
            }
    return rows


def _tables(
    rows: list[Any],
    categories: list[int],
    areas: tuple[str, ...],
    image_ids: tuple[int, ...],
    strays: Mapping[tuple[int, str, int], dict[str, Any]],
) -> dict[str, dict[int, ClassMatches]]:
    """Return pycocotools' flat list, ordered by category, area range, image, as one table per area and category."""
    tables: dict[str, dict[int, ClassMatches]] = {area: {} for area in areas}
    images = len(image_ids)
    for c, category in enumerate(categories):
        for a, area in enumerate(areas):
            start = (c * len(areas) + a) * images
            of_class = [
                strays.get((category, area, image_id)) if row is None else row
                for image_id, row in zip(image_ids, rows[start : start + images], strict=True)
            ]
            tables[area][category] = _table(of_class, images)
    return tables


def _table(rows: list[Any], images: int) -> ClassMatches:
    objects = np.zeros(images, np.int64)
    index, scores, hits, ignored = [], [], [], []
    for i, row in enumerate(rows):
        if row is None:
            continue
        objects[i] = int((np.asarray(row["gtIgnore"]) == 0).sum())
        index.append(np.full(len(row["dtScores"]), i))
        scores.append(np.asarray(row["dtScores"], np.float64))
        hits.append(np.asarray(row["dtMatches"]) > 0)
        ignored.append(np.asarray(row["dtIgnore"]) > 0)
    if not index:
        none = np.zeros((10, 0), np.bool_)
        return ClassMatches(np.zeros(0, np.intp), none, none, objects, np.zeros(0))
    all_scores = np.concatenate(scores)
    order = np.argsort(-all_scores, kind="mergesort")  # stable, as pycocotools sorts
    return ClassMatches(
        np.concatenate(index).astype(np.intp)[order],
        _columns(hits)[:, order],
        _columns(ignored)[:, order],
        objects,
        all_scores[order],
    )


def _columns(parts: list[npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_]:
    return np.concatenate([part.reshape(10, -1) for part in parts], axis=1)
