"""Made-up labels and detections: images with a few objects, found more or less well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekit.evaluation.classes import ClassMap
from edgekit.evaluation.detections import ImageDetections
from edgekit.evaluation.labels import ImageEntry, Labels
from edgekit.evaluation.rle import crop_to_rle

SIZE_WH = (200, 160)
CLASSES = ClassMap({0: 7, 1: 3, 2: 9}, {7: "cat", 3: "dog", 9: "emu"})


def found(image_id: int, rows: list[tuple[float, ...]], *, masks: bool = False) -> ImageDetections:
    """rows of (x1, y1, x2, y2, score, class id); a mask fills its box."""
    table = np.asarray(rows, np.float32).reshape(-1, 6)
    rles = []
    for x1, y1, x2, y2 in table[:, :4].astype(int):
        rles.append(crop_to_rle(np.ones((max(0, y2 - y1), max(0, x2 - x1)), bool), (x1, y1), SIZE_WH))
    return ImageDetections(
        image_id, SIZE_WH, table[:, :4], table[:, 4], table[:, 5].astype(np.int32), tuple(rles) if masks else ()
    )


def random_set(seed: int, images: int = 12, *, masks: bool = False) -> tuple[Labels, list[ImageDetections]]:
    """Objects, some of them crowds, and detections that are near, doubled, of the wrong class, or of nothing."""
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    detections = []
    for image_id in range(1, images + 1):
        rows = []
        for _ in range(int(rng.integers(0, 7))):
            x, y, w, h = rng.uniform(0, 90), rng.uniform(0, 70), rng.uniform(4, 100), rng.uniform(4, 80)
            class_id = int(rng.integers(0, 3))
            x, y, w, h = (float(int(v)) for v in (x, y, w, h))
            outline = [x, y, x + w, y, x + w, y + h, x, y + h]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": CLASSES.category_of[class_id],
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0 if masks else int(rng.random() < 0.1),
                    **({"segmentation": [outline]} if masks else {}),
                }
            )
            for _ in range(int(rng.integers(0, 3))):
                moved = np.asarray([x, y, x + w, y + h]) + rng.normal(0, 3, 4)
                seen_as = class_id if rng.random() < 0.8 else int(rng.integers(0, 3))
                rows.append((*np.clip(moved, 0, 160), float(rng.random()), seen_as))
        for _ in range(int(rng.integers(0, 4))):
            x, y = rng.uniform(0, 120, 2)
            rows.append((x, y, x + 30, y + 20, float(rng.random()), int(rng.integers(0, 3))))
        rows.sort(key=lambda row: -row[4])
        detections.append(found(image_id, rows, masks=masks))
    categories = tuple(sorted(CLASSES.names.items()))
    ids = range(1, images + 1)
    truth = Labels(tuple(ImageEntry(i, Path(f"{i}.jpg")) for i in ids), tuple(annotations), categories, {})
    return truth, detections
