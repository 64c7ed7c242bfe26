"""Accuracy: mAP with intervals, agreement of two models, their comparison layer by layer, and the bench."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.evaluate.bench.run import run_bench
    from edgekit.evaluate.bootstrap import Interval
    from edgekit.evaluate.compare import ModelComparison, compare_models
    from edgekit.evaluate.label_reader import load_labels, unlabelled_images
    from edgekit.evaluate.labels import Labels
    from edgekit.evaluate.options import EvaluateOptions
    from edgekit.evaluate.run import evaluate
    from edgekit.evaluate.scores import Evaluation

__all__ = [
    "EvaluateOptions",
    "Evaluation",
    "Interval",
    "Labels",
    "ModelComparison",
    "compare_models",
    "evaluate",
    "load_labels",
    "run_bench",
    "unlabelled_images",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "EvaluateOptions": "edgekit.evaluate.options",
        "Evaluation": "edgekit.evaluate.scores",
        "Interval": "edgekit.evaluate.bootstrap",
        "Labels": "edgekit.evaluate.labels",
        "ModelComparison": "edgekit.evaluate.compare",
        "compare_models": "edgekit.evaluate.compare",
        "evaluate": "edgekit.evaluate.run",
        "load_labels": "edgekit.evaluate.label_reader",
        "run_bench": "edgekit.evaluate.bench.run",
        "unlabelled_images": "edgekit.evaluate.label_reader",
    },
)
