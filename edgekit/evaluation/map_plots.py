"""The confusion matrix of class maps and the error histogram of depth maps as images, by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.evaluation.map_run import DepthErrors, MapScores
from edgekit.evaluation.map_scores import DELTA, ERROR_EDGES
from edgekit.evaluation.plots import CONFUSION_NAME, confusion_figure, require_matplotlib, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["map_plot_name", "write_map_plots"]

ERRORS_NAME = "depth_errors.png"


def map_plot_name(task: str, *, prefix: str = "") -> str:
    """Return the name of the file that `write_map_plots` writes.

    Args:
        task: "semantic" or "depth".
        prefix: Of the name.
    """
    return prefix + (CONFUSION_NAME if task == "semantic" else ERRORS_NAME)


def write_map_plots(folder: Path, scores: MapScores, *, prefix: str = "") -> list[Path]:
    """Draw what a model's maps take for what.

    Args:
        folder: Where to; made if it is not there.
        scores: Of the model.
        prefix: Of the name.

    Returns:
        The PNG file, written whole or not at all; none where the model was not scored on labels.

    Raises:
        ConfigError: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    require_matplotlib()
    if scores.confusion is not None:
        path = folder / map_plot_name("semantic", prefix=prefix)
        figure = confusion_figure(f"{scores.model}, pixels by class", scores.confusion, shares=True)
        return [save_figure(path, figure)]
    if scores.errors is not None:
        path = folder / map_plot_name("depth", prefix=prefix)
        return [save_figure(path, _errors_figure(scores.model, scores.errors))]
    return []


def _errors_figure(model: str, errors: DepthErrors) -> Figure:
    """Draw the share of pixels by relative error, those that count for delta1 in another color."""
    from matplotlib.figure import Figure

    total = max(int(errors.pixels.sum()), 1)
    centers = (ERROR_EDGES[:-1] + ERROR_EDGES[1:]) / 2
    is_near = (centers > 1 / DELTA - 1) & (centers < DELTA - 1)
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    colors = np.where(is_near, "#0072b2", "#bbbbbb").tolist()
    axes.bar(centers, 100 * errors.pixels / total, width=np.diff(ERROR_EDGES), color=colors, edgecolor="white")
    axes.axvline(0, color="black", linewidth=1)
    axes.set(xlim=(ERROR_EDGES[0], ERROR_EDGES[-1]), title=f"{model}, {total} pixels")
    axes.set_xlabel(f"depth / label - 1 (blue: off by less than a factor of {DELTA:g}; outer bars: all beyond, too)")
    axes.set_ylabel("pixels, %")
    return figure
