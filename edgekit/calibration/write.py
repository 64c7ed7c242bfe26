"""Writing calibration files: each image letterboxed as at run time, raw float32, planes of R, G, B in 0..255."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.calibration.nv12_colors import limit_to_nv12
from edgekit.data.image_loader import map_images
from edgekit.data.image_source import Image
from edgekit.errors import ImageError, OutputError
from edgekit.files import sha256_file, write_bytes
from edgekit.ops.letterbox import letterbox_image
from edgekit.ops.pixels import pack_input
from edgekit.progress import Progress, silent
from edgekit.spec import InputSpec, Preprocess

FLOAT_SUFFIX = ".f32"  # of featuremaps
SUFFIXES = {"rgb": ".rgbchw", "bgr": ".bgrchw", "gray": ".graychw"}


@dataclass(frozen=True, slots=True)
class Planned:
    """One file to write: its plain name and the image in it."""

    name: str
    image: Image


def plan_files(images: Sequence[Image], train_kind: str) -> tuple[Planned, ...]:
    """`NNN_<stem>.rgbchw` for every image, numbered in their order."""
    digits = max(3, len(str(len(images) - 1)))
    suffix = SUFFIXES[train_kind]
    return tuple(Planned(f"{i:0{digits}d}_{p.stem}{suffix}", p) for i, p in enumerate(images))


def calibration_bytes(
    bgr: npt.NDArray[np.uint8], input_spec: InputSpec, preprocess: Preprocess, *, nv12: bool = False
) -> bytes:
    """An image (h, w, 3) uint8 BGR as one calibration sample: little-endian float32 of shape (1, c, H, W).

    With `nv12` its colours are limited to what NV12 can represent.
    """
    canvas, _ = letterbox_image(bgr, preprocess)
    limited = limit_to_nv12(canvas) if nv12 else canvas
    return pack_input(limited, input_spec, preprocess).astype("<f4").tobytes()


def write_files(
    planned: Sequence[Planned],
    folder: Path,
    input_spec: InputSpec,
    preprocess: Preprocess,
    *,
    nv12: bool = False,
    written: Mapping[str, str],
    on_written: Callable[[str, str], None],
    progress: Progress = silent,
) -> dict[str, str]:
    """Write what is not there yet; returns name -> SHA-256 of all.

    A file of `written` (name -> SHA-256) that still has its hash is kept. `on_written` is told of each new
    one. Raises OutputError where the disk is full, ImageError where an image went away meanwhile.
    """
    channels = 1 if input_spec.kind == "gray" else 3
    file_bytes = preprocess.width * preprocess.height * channels * 4
    hashes = {p.name: written[p.name] for p in planned if _is_whole(folder / p.name, written.get(p.name))}
    rest = [p for p in planned if p.name not in hashes]
    folder.mkdir(parents=True, exist_ok=True)
    require_space(folder, len(rest) * file_bytes)
    names = iter(rest)
    for done, (_, data) in enumerate(
        map_images([p.image for p in rest], lambda bgr: calibration_bytes(bgr, input_spec, preprocess, nv12=nv12)), 1
    ):
        if isinstance(data, ImageError):
            raise data
        name = next(names).name
        write_bytes(folder / name, data)
        hashes[name] = hashlib.sha256(data).hexdigest()
        on_written(name, hashes[name])
        progress("writing calibration data", len(planned) - len(rest) + done, len(planned))
    return {p.name: hashes[p.name] for p in planned}


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of a killed run: the compiler would take them for samples."""
    for path in folder.glob(".*.part*"):
        path.unlink(missing_ok=True)


def _is_whole(path: Path, sha256: str | None) -> bool:
    return sha256 is not None and path.is_file() and sha256_file(path) == sha256


def require_space(folder: Path, needed: int) -> None:
    """Raise OutputError where the disk of `folder` has less than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"{folder} has {free >> 20} MiB free, expected {(needed >> 20) + 1} MiB for the calibration data",
            hint="free some disk space, choose another place with -o, or lower --num",
        )
