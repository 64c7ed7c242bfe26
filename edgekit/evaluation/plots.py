"""PR, F1, precision and recall curves and the confusion matrix as images, by matplotlib."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.errors import ConfigError
from edgekit.evaluation.bootstrap import Float64Array
from edgekit.evaluation.confidence_curves import CONFIDENCES, ConfidenceCurves
from edgekit.evaluation.confusion import BACKGROUND, ConfusionMatrix
from edgekit.evaluation.precision import RECALLS
from edgekit.evaluation.scores import ModelScores, Score
from edgekit.files import atomic_path
from edgekit.install_hints import extra_hint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion_figure", "plot_names", "require_matplotlib", "save_figure", "write_plots"]

CURVES = ("pr", "f1", "precision", "recall")
MAX_NAMED = 20  # classes that get a line with a name, or a number in their cell
MAX_TICKS = 80
DPI = 150
CONFUSION_NAME = "confusion_matrix.png"


def require_matplotlib() -> None:
    """Raise ConfigError if matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("matplotlib is not installed, expected it for plots", hint=extra_hint("host"))


def plot_names(kinds: Sequence[str], *, prefix: str = "") -> list[str]:
    """Return the names of the files that `write_plots` may write.

    Args:
        kinds: Of scores, such as "box".
        prefix: Of every name.

    Returns:
        Names: a curve of each sort per kind, and the confusion matrix.
    """
    curves = [f"{prefix}{kind.replace(' ', '_')}_{curve}_curve.png" for kind in kinds for curve in CURVES]
    return [*curves, prefix + CONFUSION_NAME]


def write_plots(folder: Path, scores: ModelScores, *, prefix: str = "") -> list[Path]:
    """Draw a model's curves and confusion matrix.

    Args:
        folder: Where to; made if it is not there.
        scores: Of the model.
        prefix: Of every name.

    Returns:
        The PNG files, each written whole or not at all.

    Raises:
        ConfigError: matplotlib is not installed.
        OutputError: A file cannot be written.
    """
    require_matplotlib()
    written: list[Path] = []
    for kind, score in scores.scores.items():
        if score.curves is None:
            continue
        for curve, name in zip(CURVES, plot_names([kind], prefix=prefix), strict=False):
            written.append(save_figure(folder / name, _curve_figure(scores.model, kind, score, curve)))
    if scores.confusion is not None:
        title = f"{scores.model}, {_thresholds(scores.confusion)}"
        written.append(save_figure(folder / (prefix + CONFUSION_NAME), confusion_figure(title, scores.confusion)))
    return written


def save_figure(path: Path, figure: Figure) -> Path:
    """Write a figure as PNG, whole or not at all.

    Args:
        path: Of the file; its folder is made if it is not there.
        figure: What to write.

    Returns:
        The path.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=DPI)
    return path


def _curve_figure(model: str, kind: str, score: Score, curve: str) -> Figure:
    from matplotlib.figure import Figure

    assert score.curves is not None
    x, rows = _curve(score.curves, curve)
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    names = list(score.by_class)
    for name, row in zip(names, rows, strict=True):
        few = len(names) <= MAX_NAMED
        axes.plot(x, row, linewidth=1, color=None if few else "#bbbbbb", label=name if few else None)
    axes.plot(x, rows.mean(axis=0), linewidth=3, color="#0072b2", label=f"all classes, {_summary(score, curve)}")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), title=f"{model}, {kind}")
    axes.set_xlabel("recall" if curve == "pr" else "score threshold")
    axes.set_ylabel("precision" if curve == "pr" else {"f1": "F1"}.get(curve, curve))
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def _curve(curves: ConfidenceCurves, curve: str) -> tuple[Float64Array, Float64Array]:
    if curve == "pr":
        return RECALLS, curves.precision_at_recall
    return CONFIDENCES, {"f1": curves.f1, "precision": curves.precision, "recall": curves.recall}[curve]


def _summary(score: Score, curve: str) -> str:
    assert score.curves is not None
    if curve == "pr":
        return f"mAP50 {score.map50.value:.3f}" if score.map50 else ""
    precision, recall, f1 = score.curves.mean_at_best()
    value = {"f1": f1, "precision": precision, "recall": recall}[curve]
    return f"{value:.2f} at {score.curves.confidence:.3f}"


def confusion_figure(title: str, confusion: ConfusionMatrix, *, shares: bool = False) -> Figure:
    """Draw the shares of each labelled class; with few classes numbers stand in the cells.

    Args:
        title: Of the figure.
        confusion: The matrix.
        shares: Whether the numbers are percent of the labelled class instead of counts.

    Returns:
        The figure.
    """
    from matplotlib.figure import Figure

    counts = confusion.counts
    of_class = counts / np.maximum(counts.sum(axis=0, keepdims=True), 1)
    side = min(16.0, 4 + 0.35 * len(confusion.names))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(of_class, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the labelled class", shrink=0.7)
    if len(confusion.names) <= MAX_TICKS + 1:
        ticks = range(len(confusion.names))
        axes.set_xticks(ticks, confusion.names, rotation=90, fontsize=7)
        axes.set_yticks(ticks, confusion.names, fontsize=7)
    if len(confusion.names) <= MAX_NAMED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            color = "white" if of_class[row, column] > 0.5 else "black"
            text = f"{100 * of_class[row, column]:.0f}" if shares else str(counts[row, column])
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=color)
    axes.set(xlabel="labelled", ylabel="detected as", title=title)
    return figure


def _thresholds(confusion: ConfusionMatrix) -> str:
    if confusion.names[-1:] != (BACKGROUND,):
        return "images by class"
    return f"score > {confusion.confidence:g}, IoU > {confusion.iou:g}"
