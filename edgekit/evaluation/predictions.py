"""What a model detects on a set of images, one JSON line per image, in a file that an interrupted run resumes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.cores import cores
from edgekit.data.image_loader import map_images
from edgekit.data.image_source import Image
from edgekit.errors import ImageError
from edgekit.evaluation.detections import ImageDetections, detections_from_row, is_intact, row_from_results
from edgekit.evaluation.labels import ImageEntry
from edgekit.evaluation.native_masks import predict_native, require_masks
from edgekit.evaluation.options import MaskPlacement
from edgekit.evaluation.row_file import files_fingerprint, resume_rows
from edgekit.files import json_line, sha256_file, writing
from edgekit.progress import Progress, silent
from edgekit.records import envelope
from edgekit.runtime.session import Session
from edgekit.spec import sidecar_path

__all__ = ["Predictions", "parallel_images", "predict_images"]


Row = Mapping[str, Any]
PredictRows = Callable[[Sequence[ImageEntry]], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Predictions:
    """A finished file of predictions; iterating reads it row by row.

    Attributes:
        path: The file.
        header: Which model ran where, with which options, on which images.
    """

    path: Path
    header: Mapping[str, Any]

    def __iter__(self) -> Iterator[ImageDetections]:
        with self.path.open(encoding="utf-8", newline="\n") as stream:  # split as `resume_rows` splits
            next(stream)
            for line in stream:
                yield detections_from_row(json.loads(line))

    @property
    def names(self) -> tuple[str, ...]:
        """Class names of the model."""
        return tuple(self.header["names"])

    @property
    def task(self) -> str:
        """Task of the model."""
        return str(self.header["task"])

    @property
    def has_masks(self) -> bool:
        """Whether the detections have masks."""
        return self.task == "segment"


def predict_images(
    session: Session,
    model: Path,
    images: Sequence[ImageEntry],
    path: Path,
    *,
    masks: MaskPlacement = "edgekit",
    predict_rows: PredictRows | None = None,
    progress: Progress = silent,
) -> Predictions:
    """Run a model over images and write a file of predictions, or what is missing of it.

    A file of the same model, options and images is resumed; one of others is written again.

    Args:
        session: The opened model.
        model: Its file.
        images: The images.
        path: The file of predictions.
        masks: "edgekit", or "ultralytics" for masks where its native masks lie.
        predict_rows: How images become rows, in their order; None: `session` predicts them, several at a time in
            threads if the device allows it.
        progress: Called with stage, done and total.

    Returns:
        The finished file.

    Raises:
        ConfigError: If `masks` does not fit the model.
        OutputError: If the disk is full.
    """
    require_masks(session, masks)
    header = _header(session, model, images) | {"masks": masks}
    done = resume_rows(path, header, _row_id, header["images"])
    missing = [image for image in images if image.image_id not in done]
    rows = (predict_rows or partial(session_rows, session, masks))(missing)
    stage = f"running {model.name}"
    hint = "free some disk space and run the same command again: it resumes"
    with writing(path, hint=hint), path.open("ab") as stream:
        for count, (image, row) in enumerate(zip(missing, rows, strict=True), len(done) + 1):
            stream.write(json_line({"image_id": image.image_id, **row}))
            stream.flush()
            progress(stage, count, len(images))
    return Predictions(path, header)


def session_rows(
    session: Session, masks: MaskPlacement, images: Sequence[ImageEntry], *, threads: int | None = None
) -> Iterator[Row]:
    """Yield a row per image, predicted by a session of this process.

    Args:
        session: The opened model.
        masks: As `predict_images` takes it.
        images: The images.
        threads: How many images are predicted at a time; None: what the device allows.

    Yields:
        What `row_from_results` gives, or {"error": why the image cannot be read}.
    """
    predict = session.predict if masks == "edgekit" else partial(predict_native, session)
    sources = [Image(image.path, str(image.path)) for image in images]

    def row_of(image_bgr: npt.NDArray[np.uint8]) -> Row:
        return row_from_results(predict(image_bgr))

    for _, row in map_images(sources, row_of, workers=threads or parallel_images(session)):
        yield {"error": row.message} if isinstance(row, ImageError) else row


def parallel_images(session: Session) -> int:
    """Return how many images are predicted at a time: a board has one BPU, and its library is not safe to share.

    Args:
        session: The opened model.
    """
    return 1 if session.device.kind == "bpu" else max(2, cores() // 2)


def _header(session: Session, model: Path, images: Sequence[ImageEntry]) -> dict[str, Any]:
    options = session.options
    sidecar = sidecar_path(model)
    return {
        **envelope("predictions"),
        "model": model.name,
        "model_sha256": sha256_file(model) if model.is_file() else "",
        "sidecar_sha256": sha256_file(sidecar) if sidecar.is_file() else "",
        "device": session.device.kind,
        "task": session.spec.task,
        "names": list(session.spec.names),
        "size_wh": list(session.spec.preprocess.size_wh),
        "score_threshold": options.score_threshold,
        "iou_threshold": options.iou_threshold,
        "max_detections": options.max_detections,
        "multi_label": options.multi_label,
        "images": [image.image_id for image in images],
        "images_sha256": files_fingerprint((image.image_id, image.path) for image in images),
        "notes": list(session.notes),
    }


def _row_id(value: Any) -> int:
    """Return the image's id of a row; raises ValueError if it is damaged."""
    row = detections_from_row(value)
    if not is_intact(row):
        raise ValueError("damaged row")
    return row.image_id
