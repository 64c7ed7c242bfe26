"""Accuracy: mAP with intervals, agreement of two models, their comparison layer by layer, and the bench."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.evaluation.bench.run import run_bench
    from edgekit.evaluation.bootstrap import Interval
    from edgekit.evaluation.compare import ModelComparison, compare_models
    from edgekit.evaluation.label_reader import load_labels, unlabelled_images
    from edgekit.evaluation.labels import Labels
    from edgekit.evaluation.options import EvaluateOptions
    from edgekit.evaluation.run import evaluate
    from edgekit.evaluation.scores import Evaluation

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
        "EvaluateOptions": "edgekit.evaluation.options",
        "Evaluation": "edgekit.evaluation.scores",
        "Interval": "edgekit.evaluation.bootstrap",
        "Labels": "edgekit.evaluation.labels",
        "ModelComparison": "edgekit.evaluation.compare",
        "compare_models": "edgekit.evaluation.compare",
        "evaluate": "edgekit.evaluation.run",
        "load_labels": "edgekit.evaluation.label_reader",
        "run_bench": "edgekit.evaluation.bench.run",
        "unlabelled_images": "edgekit.evaluation.label_reader",
    },
)
