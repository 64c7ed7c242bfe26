"""Predictions by worker processes: each opens the model once and predicts a few images per task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from edgekit.errors import ConfigError
from edgekit.evaluation.labels import ImageEntry
from edgekit.evaluation.options import EvaluateOptions
from edgekit.evaluation.predictions import PredictRows, session_rows
from edgekit.files import resolved, sha256_file
from edgekit.runtime.session import Session, load
from edgekit.workers import Workers, completed, in_order

__all__ = ["ModelRun", "rows_by_workers"]

IMAGES_PER_TASK = 8
IN_PROCESS_ONLY = ("bpu",)  # one per board, and its library is not safe to share


@dataclass(frozen=True, slots=True)
class ModelRun:
    """Which model runs, on which device, with which options; `sha256` makes a changed file another run."""

    model: Path
    device: str
    options: EvaluateOptions
    sha256: str = ""

    def open(self, *, threads: int = 0) -> Session:
        """Open the model.

        Args:
            threads: Of the device; 0 is its default.

        Returns:
            The session; the caller closes it.
        """
        options = self.options
        return load(
            self.model,
            self.device,
            conf=options.conf,
            iou=options.iou,
            max_detections=options.max_detections,
            multi_label=options.multi_label,
            threads=threads,
        )


@dataclass(frozen=True, slots=True)
class PredictTask:
    """A few images of a model's run."""

    run: ModelRun
    images: tuple[ImageEntry, ...]


def rows_by_workers(workers: Workers, run: ModelRun, kind: str) -> PredictRows | None:
    """Return how workers predict a model, for `predict_images`.

    Args:
        workers: Where the model runs.
        run: The model.
        kind: Of its device, as the opened session reports it.

    Returns:
        None if it runs in this process.

    Raises:
        ConfigError: If several processes cannot use the device.
    """
    if workers.at_once == 1:
        return None
    if kind in IN_PROCESS_ONLY:
        raise ConfigError(
            f"{run.model.name} runs on {kind}, which one process at a time can use, expected no --workers",
            hint="remove --workers: images are prepared and decoded beside the BPU anyway",
        )
    path = resolved(run.model)
    shared = ModelRun(path, run.device, run.options, sha256_file(path) if path.is_file() else "")

    def rows(images: Sequence[ImageEntry]) -> Iterator[dict[str, Any]]:
        size = max(1, min(IMAGES_PER_TASK, -(-len(images) // (2 * workers.at_once))))
        absolute = [ImageEntry(image.image_id, image.path.absolute()) for image in images]
        tasks = [PredictTask(shared, tuple(absolute[i : i + size])) for i in range(0, len(images), size)]
        parts = in_order(completed(workers, predict, tasks))
        for image, row in zip(images, chain.from_iterable(parts), strict=True):
            if "error" in row:
                row = {"error": row["error"].replace(str(image.path.absolute()), str(image.path))}
            yield row

    return rows


_OPEN: dict[str, tuple[ModelRun, Session]] = {}  # of a worker process: the model it runs


def predict(task: PredictTask) -> list[dict[str, Any]]:
    """Predict the images of a task; the model stays open for the next one.

    Args:
        task: The task.

    Returns:
        A row per image.
    """
    known = _OPEN.get("session")
    if known is None or known[0] != task.run:  # the one before is collected once no thread of this worker uses it
        known = _OPEN["session"] = task.run, task.run.open(threads=1)
    return [dict(row) for row in session_rows(known[1], task.run.options.masks, task.images, threads=1)]
