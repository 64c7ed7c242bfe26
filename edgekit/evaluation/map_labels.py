"""Labels of maps in Ultralytics' layout: class maps (PNG) and depths (16-bit PNG, .npy) beside the images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.array_files import read_array
from edgekit.data.plain_yaml import read_yaml
from edgekit.data.yolo import read_dataset, split_images
from edgekit.errors import DataError
from edgekit.evaluation.map_scores import IGNORED
from edgekit.ops.image_header import image_size

__all__ = ["MapLabels", "load_map_labels"]

MAX_LABEL_BYTES = 1 << 30
MAX_LABEL_PIXELS = 1 << 27
NPY_HINT = "save it with numpy.save as float32"
DEPTH_SCALE = 1000.0  # of 16-bit PNGs per metre, Ultralytics' default
FOLDERS = {"semantic": "masks", "depth": "depth"}
SUFFIXES = {"semantic": (".png",), "depth": (".png", ".npy")}


@dataclass(frozen=True, slots=True)
class MapLabels:
    """Images with a map each.

    Attributes:
        task: "semantic" or "depth".
        images: Image -> its map.
        names: Class names, if the data set has them.
        depth_scale: What a 16-bit PNG's numbers are divided by.
        class_of: Number in a class map -> class id, where they differ; `IGNORED` for none.
        notes: What was left out.
    """

    task: str
    images: Mapping[Path, Path]
    names: tuple[str, ...] = ()
    depth_scale: float = DEPTH_SCALE
    class_of: Mapping[int, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def read(self, image: Path, size_wh: tuple[int, int]) -> npt.NDArray[Any]:
        """Read the map of an image.

        Args:
            image: One of `images`.
            size_wh: Of the image, which its map must have.

        Returns:
            (h, w): class ids int64, or depths float32 in metres.

        Raises:
            DataError: It cannot be read, or is of another size or kind.
        """
        path = self.images[image]
        values = _read_npy(path) if path.suffix == ".npy" else _read_png(path)
        if values.ndim != 2 or values.shape != (size_wh[1], size_wh[0]):
            raise DataError(
                f"{path} is {values.shape}, expected {(size_wh[1], size_wh[0])}: one number per pixel of its image",
                hint="store maps unscaled, as grey PNG",
            )
        if self.task == "depth":
            scale = 1.0 if path.suffix == ".npy" else self.depth_scale
            return (values.astype(np.float32) / np.float32(scale)).astype(np.float32)
        if not self.class_of:
            return values.astype(np.int64)
        table = np.full(1 << 16, IGNORED, np.int64)
        for number, class_id in self.class_of.items():
            table[number] = class_id
        return np.asarray(table[values.astype(np.int64) & 0xFFFF])


def load_map_labels(data: Path, task: str, *, split: str = "val", limit: int | None = None) -> MapLabels:
    """Read which map belongs to which image of a data set.

    Args:
        data: A YOLO dataset yaml. Class maps lie in the folder `masks_dir` ("masks") in place of `images`, as PNG, with
            `label_mapping` from their numbers to classes if they differ; depths in the folder `depth`, as .npy in
            metres or as 16-bit PNG of metres times `depth_scale` (1000).
        task: "semantic" or "depth".
        split: Which split.
        limit: The first images alone.

    Returns:
        The labels of the images that have a map.

    Raises:
        DataError: The yaml is none, or no image has a map.
    """
    dataset = read_dataset(data)
    fields = read_yaml(data, words=True)
    assert isinstance(fields, dict)  # read_dataset has read it
    folder = fields.get("masks_dir", FOLDERS[task]) if task == "semantic" else FOLDERS[task]
    if not isinstance(folder, str) or not folder:
        raise DataError(f"{data}: masks_dir is {folder!r}, expected the name of a folder", hint="for example masks")
    paths = sorted(split_images(dataset, split).paths)[:limit]
    maps = {path: _map_of(path, folder, task) for path in paths}
    images = {path: map_path for path, map_path in maps.items() if map_path is not None}
    if not images:
        raise DataError(
            f"none of the {len(paths)} images of split {split!r} has a map "
            f"(looked for a folder {folder!r} beside 'images', {' or '.join(SUFFIXES[task])})",
            hint="see docs/tasks.md for the layout of labels",
        )
    missing = len(paths) - len(images)
    return MapLabels(
        task,
        images,
        dataset.names if task == "semantic" else (),
        _depth_scale(fields.get("depth_scale", DEPTH_SCALE), data),
        _class_of(fields.get("label_mapping"), len(dataset.names), data),
        (f"{missing} images have no map and were skipped",) if missing else (),
    )


def _map_of(image: Path, folder: str, task: str) -> Path | None:
    """The map of an image: the last folder `images` read as `folder`, with another suffix."""
    parts = list(image.parts)
    where = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if where:
        parts[where[-1]] = folder
    candidates = [Path(*parts).with_suffix(suffix) for suffix in SUFFIXES[task]]
    return next((path for path in candidates if path != image and path.is_file()), None)


def _depth_scale(value: object, data: Path) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e9:
        raise DataError(f"{data}: depth_scale is {value!r}, expected a number above 0", hint="1000 for millimetres")
    return float(value)


def _class_of(mapping: object, num_classes: int, data: Path) -> dict[int, int]:
    if mapping is None:
        return {}
    if not isinstance(mapping, dict):
        raise DataError(f"{data}: label_mapping is no mapping", hint="as in Ultralytics' cityscapes8.yaml")
    table: dict[int, int] = {}
    for number, class_id in mapping.items():
        text, target = str(number), str(class_id)
        if not text.lstrip("-").isdigit() or not (target.isdigit() or target == "ignore_label"):
            raise DataError(
                f"{data}: label_mapping has {text[:40]!r}: {target[:40]!r}, expected a number and a class",
                hint="give class ids, or ignore_label",
            )
        if not 0 <= int(text) < 1 << 16:
            continue  # -1 is no number of an image
        if target != "ignore_label" and int(target) >= max(num_classes, 1):
            raise DataError(
                f"{data}: label_mapping gives class {target[:40]}, expected 0..{num_classes - 1}", hint="fix the yaml"
            )
        table[int(text)] = IGNORED if target == "ignore_label" else int(target)
    return table


def _read_png(path: Path) -> npt.NDArray[Any]:
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_LABEL_BYTES else b""
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", hint="check the file") from error
    size = image_size(data)  # before anything is decoded
    readable = size is not None and size[0] * size[1] <= MAX_LABEL_PIXELS
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if readable else None
    if values is None or values.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path} cannot be read as a map", hint="store maps as grey PNG of 8 or 16 bits")
    return np.asarray(values)


def _read_npy(path: Path) -> npt.NDArray[Any]:
    values = read_array(path, hint=NPY_HINT, max_bytes=MAX_LABEL_BYTES)
    if values.dtype.kind not in "iuf":
        raise DataError(f"{path} holds {values.dtype}, expected real numbers", hint=NPY_HINT)
    return values
