"""COCO scores of an exported stock-shaped segmentation ONNX on generated images."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from demo_model.dataset import Images
from edgekit.demo.shapes import CLASS_NAMES
from edgekit.ops.nms import nms

MIN_SCORE, IOU_THRESHOLD = 0.001, 0.7


def score_onnx(path: Path, images: Images) -> dict[str, float]:
    """mAP50-95 and mAP50 of boxes and masks, at the size of the model's input, as fractions of 1."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows: list[dict[str, Any]] = []
    for i in range(len(images)):
        image = images.rgb[i].transpose(2, 0, 1)[None].astype(np.float32) / 255
        rows += detections(i, *session.run(None, {session.get_inputs()[0].name: image}))
    truth = _ground_truth(images)
    scores = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for kind, label in (("bbox", "box"), ("segm", "mask")):
            judge = COCOeval(truth, truth.loadRes(rows), kind)
            judge.evaluate()
            judge.accumulate()
            judge.summarize()
            scores[f"{label}_map50_95"], scores[f"{label}_map50"] = (round(float(v), 4) for v in judge.stats[:2])
    return scores


def detections(image_id: int, rows: np.ndarray, proto: np.ndarray) -> list[dict[str, Any]]:
    """COCO results from the stock outputs: (1, 4 + nc + 32, A) and (1, 32, H / 4, W / 4)."""
    count = len(CLASS_NAMES)
    xywh, scores, coefficients = np.split(rows[0].T, [4, 4 + count], axis=1)
    best = scores.argmax(1).astype(np.int32)
    keep = np.flatnonzero(scores.max(1) > MIN_SCORE)
    half = xywh[:, 2:] / 2
    boxes = np.concatenate((xywh[:, :2] - half, xywh[:, :2] + half), 1).astype(np.float32)
    keep = keep[nms(boxes[keep], scores.max(1)[keep], best[keep], iou_threshold=IOU_THRESHOLD, max_detections=100)]
    height, width = proto.shape[2] * 4, proto.shape[3] * 4
    results = []
    for k in keep:
        logits = np.tensordot(coefficients[k], proto[0], 1)
        mask = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR) > 0
        x1, y1, x2, y2 = np.clip(np.round(boxes[k]), 0, (width, height, width, height)).astype(int)
        crop = np.zeros((height, width), np.uint8)
        crop[y1:y2, x1:x2] = mask[y1:y2, x1:x2]
        results.append(
            {
                "image_id": image_id,
                "category_id": int(best[k]),
                "score": float(scores[k].max()),
                "bbox": [float(v) for v in (*boxes[k, :2], *xywh[k, 2:])],
                "segmentation": coco_mask.encode(np.asfortranarray(crop)),
            }
        )
    return results


def _ground_truth(images: Images) -> COCO:
    height, width = images.owner.shape[1:]
    annotations: list[dict[str, Any]] = []
    for i in range(len(images)):
        for k, class_id in enumerate(images.classes[i]):
            if class_id >= 0:
                rle = coco_mask.encode(np.asfortranarray((images.owner[i] == k + 1).astype(np.uint8)))
                x1, y1, x2, y2 = (float(v) for v in images.boxes_xyxy[i, k])
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": i,
                        "category_id": int(class_id),
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "segmentation": rle,
                        "area": float(coco_mask.area(rle)),
                        "iscrowd": 0,
                    }
                )
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i, "width": width, "height": height} for i in range(len(images))],
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASS_NAMES)],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
