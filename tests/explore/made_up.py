"""Made-up comparisons: images of noise, detections that are lost, gained, moved and kept, and layers that part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.evaluation.compare import LayerDiff, ModelComparison
from edgekit.evaluation.compared_image import ComparedImage
from edgekit.evaluation.detection_diff import diff_detections
from edgekit.evaluation.tensor_metrics import TensorMetrics
from edgekit.explore.gallery import Gallery
from edgekit.explore.page import ExploredModel
from edgekit.results import Detections

NAMES = ("ball", "mug", "</script><b>star")
SIZE_WH = (320, 240)
KEPT, LOST, MOVED, FAINT = (10, 10, 60, 60), (100, 20, 120, 40), (150, 100, 290, 220), (5, 200, 25, 220)
SHIFTED, GAINED = (170, 110, 310, 230), (30, 120, 90, 200)


def detections(rows: Sequence[tuple[tuple[int, ...], float, int]], device: str) -> Detections:
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int32),
        NAMES,
        SIZE_WH,
        device,
    )


def compared_image(index: int, total: int, *, is_changed: bool = True) -> ComparedImage:
    """Image `index`: one object kept and one faint; if changed, a small ball lost, a star gained and a mug moved."""
    reference = [(KEPT, 0.9, 0), (FAINT, 0.3, 1)]
    model = [(KEPT, 0.85, 0)]
    if is_changed:
        reference += [(LOST, 0.62, 0), (MOVED, 0.8, 1)]
        model += [(SHIFTED, 0.7, 1), (GAINED, 0.5, 2)]
    image = np.random.default_rng(index).integers(0, 256, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8)
    results = detections(reference, "onnxruntime"), detections(model, "sim")
    return ComparedImage(
        Path(f"image_{index:03d}.jpg"), image, results, {"a": 0.999, "b": 0.97 - index / 1000, "c": 0.985}, index, total
    )


def metrics(cosine: float) -> TensorMetrics:
    return TensorMetrics(cosine, 0.01, 20.0, 0.5, False, None, 100)


def explored(count: int = 6, *, label: str = "", changed_from: int = 2) -> ExploredModel:
    """Images 0, 1, ... are unchanged up to `changed_from`."""
    gallery, differences = Gallery(), []
    for index in range(count):
        image = compared_image(index, count, is_changed=index >= changed_from)
        gallery.add(image)
        a, b = image.results
        assert isinstance(a, Detections) and isinstance(b, Detections)
        differences.append(diff_detections(image.path.name, a, b))
    layers = tuple(
        LayerDiff(f"/model.{i}/conv/Conv", "Conv", key, metrics(cosine))
        for i, (key, cosine) in enumerate((("a", 0.999), ("b", 0.96), ("c", 0.985)))
    )
    comparison = ModelComparison(
        "model.onnx", "model_quantized.onnx", count, layers, {"box_8": metrics(0.99)}, tuple(differences), 0.98
    )
    return ExploredModel(label, comparison, gallery)
