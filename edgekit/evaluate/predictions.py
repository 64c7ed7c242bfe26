"""What a model finds on a set of images, one JSON line per image, in a file that an interrupted run goes on with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.data.image_loader import map_images
from edgekit.data.image_source import Image as SourceImage
from edgekit.errors import DataError, ImageError, ModelError, OutputError
from edgekit.evaluate.native_masks import predict_native, require_masks
from edgekit.evaluate.outlines import packed_pixels
from edgekit.evaluate.rle import masks_to_rles
from edgekit.files import sha256_file, write_bytes
from edgekit.progress import Progress, silent
from edgekit.results import TOP_CLASSES, Classifications, Poses, Results, RotatedDetections, Segmentations
from edgekit.runtime.session import Session
from edgekit.spec import sidecar_path
from edgekit.version import __version__

SCORED_TASKS = ("detect", "segment", "pose", "obb", "classify")


@dataclass(frozen=True, slots=True)
class Image:
    """An image with the id that its labels know it by."""

    image_id: int
    path: Path


@dataclass(frozen=True, slots=True)
class ImageDetections:
    """What was found on one image: `boxes_xyxy` (n, 4), `scores` (n,), `class_ids` (n,), best first.

    `rles` (masks), `keypoints` (n, k, 3: x, y, visibility) and `rotated_xywhr` (n, 5) are there for tasks that
    have them; a classifier gives its best classes without boxes. `error` is set, and the rest empty, where the
    image could not be read.
    """

    image_id: int
    size_wh: tuple[int, int]
    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]
    rles: tuple[dict[str, Any], ...] = ()
    keypoints: npt.NDArray[np.float32] | None = None
    rotated_xywhr: npt.NDArray[np.float32] | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Predictions:
    """The finished file: `header` says which model with which options; rows are read when asked for."""

    path: Path
    header: Mapping[str, Any]

    def __iter__(self) -> Iterator[ImageDetections]:
        with self.path.open(encoding="utf-8", newline="\n") as stream:  # split as `_resume` splits
            next(stream)
            for line in stream:
                yield _found(json.loads(line))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.header["names"])

    @property
    def task(self) -> str:
        return str(self.header["task"])

    @property
    def has_masks(self) -> bool:
        return self.task == "segment"


def predict_images(
    session: Session,
    model: Path,
    images: Sequence[Image],
    path: Path,
    *,
    masks: str = "edgekit",
    progress: Progress = silent,
) -> Predictions:
    """Runs `session` over `images` and writes `path`, or what is missing of it.

    `masks`: "edgekit", or "ultralytics" for the places that scores made with its native masks have.
    A file of the same model, options and images is gone on with; one of others is written again. Several
    images are in work at once where the device allows it. Raises OutputError where the disk is full.
    """
    if session.spec.task not in SCORED_TASKS:
        raise ModelError(
            f"task {session.spec.task!r} cannot be scored yet, expected one of {', '.join(SCORED_TASKS)}",
            hint="score a detection or segmentation model",
        )
    require_masks(session, masks)
    header = _header(session, model, images) | {"masks": masks}
    predict = session.predict if masks == "edgekit" else partial(predict_native, session)
    done = _resume(path, header)
    rest = [image for image in images if image.image_id not in done]
    sources = [SourceImage(image.path, str(image.path)) for image in rest]
    stage = f"running {model.name}"
    try:
        with path.open("a", encoding="utf-8") as stream:
            work = map_images(sources, lambda bgr: _row(predict(bgr)), workers=_workers(session))
            for count, (image, (_, row)) in enumerate(zip(rest, work, strict=True), len(done) + 1):
                row = {"error": row.message} if isinstance(row, ImageError) else row
                stream.write(json.dumps({"image_id": image.image_id, **row}) + "\n")
                stream.flush()
                progress(stage, count, len(images))
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error})",
            hint="free some disk space and run again: it goes on where it stopped",
        ) from error
    return Predictions(path, header)


def _workers(session: Session) -> int:
    """Images in work at once: a board has one BPU and its library is not safe to share; the rest is."""
    return 1 if session.device.kind == "bpu" else max(2, (os.cpu_count() or 2) // 2)


def _header(session: Session, model: Path, images: Sequence[Image]) -> dict[str, Any]:
    options = session.options
    sidecar = sidecar_path(model)
    return {
        "edgekit": __version__,
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
        "images_sha256": _fingerprint(images),
        "notes": list(session.notes),
    }


def _fingerprint(images: Sequence[Image]) -> str:
    """SHA-256 over the images' ids, places, sizes and times: ids alone are 1, 2, ... in every YOLO data set."""
    digest = hashlib.sha256()
    for image in images:
        try:
            status = image.path.stat()
            known = f"{status.st_size}\0{status.st_mtime_ns}"
        except (OSError, ValueError):
            known = "absent"
        place = os.path.abspath(image.path)  # noqa: PTH100
        digest.update(f"{image.image_id}\0{place}\0{known}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _resume(path: Path, header: Mapping[str, Any]) -> set[int]:
    """The ids that `path` has already; a line cut short by a crash is cut off, another run's file replaced.

    The file is replaced as a whole or not at all, so that a crash in here loses no row.
    """
    try:
        data = path.read_bytes() if path.is_file() else b""
    except OSError as error:
        raise OutputError(
            f"{path} cannot be read ({error.strerror or error})", hint="choose another place with -o"
        ) from error
    whole = data.split(b"\n")[:-1]
    try:
        same = bool(whole) and json.loads(whole[0].decode()) == header
        rows = [_found(json.loads(line.decode())) for line in whole[1:]] if same else []
        ids = {row.image_id for row in rows}
        same = same and len(ids) == len(rows) and ids <= set(header["images"]) and all(map(_is_whole, rows))
    except (ValueError, TypeError, RecursionError, DataError):
        same = False
    kept = whole if same else [json.dumps(header).encode()]
    rewritten = b"\n".join(kept) + b"\n"
    if rewritten != data:
        write_bytes(path, rewritten)
    return ids if same else set()


def _is_whole(found: ImageDetections) -> bool:
    """Whether a row that was read back is as one is written; pycocotools never ends on run lengths that are too few."""
    count = len(found.scores)
    pixels = found.size_wh[0] * found.size_wh[1]
    return (
        len(found.boxes_xyxy) == len(found.class_ids) == count
        and len(found.rles) in (0, count)
        and all(packed_pixels(rle["counts"]) == pixels for rle in found.rles)
    )


def _row(results: Results) -> dict[str, Any]:
    if isinstance(results, Classifications):
        top = results.top(min(TOP_CLASSES, len(results.names)))
        row = {"boxes_xyxy": [[0, 0, 0, 0]] * len(top), "scores": [round(p, 6) for _, p in top]}
        return {"size_wh": list(results.size_wh), **row, "class_ids": [i for i, _ in top]}
    row = {
        "size_wh": list(results.size_wh),
        "boxes_xyxy": _rounded(results.boxes_xyxy, 3),
        "scores": _rounded(results.scores, 6),
        "class_ids": results.class_ids.tolist(),
    }
    if isinstance(results, Segmentations):
        row["rles"] = [rle["counts"] for rle in masks_to_rles(results.masks, results.size_wh)]
    if isinstance(results, Poses):
        points = np.concatenate([results.keypoints_xy, results.visibility[..., None]], axis=2)
        row["keypoints"] = _rounded(points, 3)
    if isinstance(results, RotatedDetections):
        row["rotated_xywhr"] = _rounded(results.boxes_xywhr, 5)
    return row


def _rounded(values: npt.NDArray[Any], digits: int) -> list[Any]:
    rounded: list[Any] = np.round(values.astype(np.float64), digits).tolist()
    return rounded


def _array(values: object, shape: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
    if values is None:
        return None
    flat = np.asarray(values, np.float32)
    return flat.reshape(shape) if flat.size else np.zeros(tuple(max(0, side) for side in shape), np.float32)


def _found(row: Mapping[str, Any]) -> ImageDetections:
    try:
        if "error" in row:
            none = np.zeros((0, 4), np.float32)
            return ImageDetections(
                row["image_id"], (0, 0), none, none[:, 0], none[:, 0].astype(np.int32), error=row["error"]
            )
        width, height = row["size_wh"]
        return ImageDetections(
            int(row["image_id"]),
            (width, height),
            np.asarray(row["boxes_xyxy"], np.float32).reshape(-1, 4),
            np.asarray(row["scores"], np.float32),
            np.asarray(row["class_ids"], np.int32),
            tuple({"size": [height, width], "counts": counts} for counts in row.get("rles", ())),
            _array(row.get("keypoints"), (len(row["scores"]), -1, 3)),
            _array(row.get("rotated_xywhr"), (-1, 5)),
        )
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise DataError("a line of the predictions file is damaged", hint="delete the file and run again") from error
