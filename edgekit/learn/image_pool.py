"""The images to learn from, letterboxed once and kept on disk as bytes; which are learned from, which held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.data.image_loader import map_images
from edgekit.data.image_source import Image
from edgekit.errors import DataError, ImageError
from edgekit.files import atomic_path
from edgekit.ops.buffers import Buffers
from edgekit.ops.prepare import prepare_image
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.calibration.board_colours import as_board_feeds, as_model_takes
from edgekit.sim.compiler.emit.preprocess import BoardInput
from edgekit.spec import ModelSpec

FEWEST = 32  # images; with fewer, what is learned is those images
HELD_OUT = 64  # images not learned from: with fewer, early stopping misleads
MOST = 1000  # images; more do not fit into the usual minutes
VIDEO_FRAMES = 400  # taken of a video
THUMB = 16  # pixels per side, to compare images by
ALIKE = 3.0  # grey levels: mean difference of two thumbnails of the same scene


@dataclass(frozen=True, slots=True)
class ImagePool:
    """Letterboxed images.

    Attributes:
        images: Where they come from, in a seeded order.
        pixels: (n, C, H, W) uint8, mapped from disk.
        held_out: How many at the end are not learned from.
        source: What the board feeds for the input.
    """

    images: tuple[Image, ...]
    pixels: npt.NDArray[np.uint8]
    held_out: int
    source: BoardInput

    @property
    def learned(self) -> int:
        """How many images are learned from; those come first."""
        return len(self.images) - self.held_out

    def input(self, index: int, *, flipped: bool = False) -> npt.NDArray[np.float32]:
        """Return the float model's input (1, C, H, W), normalised, for an image or for its mirror image."""
        return as_model_takes(self._pixels(index, flipped), self.source)

    def board_input(self, index: int, *, flipped: bool = False) -> npt.NDArray[np.float32]:
        """Return the same image as the integer graph reads it: behind NV12, four pixels share their chroma."""
        return as_board_feeds(self._pixels(index, flipped), self.source)

    def _pixels(self, index: int, flipped: bool) -> npt.NDArray[np.uint8]:
        pixels = self.pixels[index : index + 1]
        return np.ascontiguousarray(pixels[..., ::-1] if flipped else pixels)


def split_images(images: Sequence[Image], *, seed: int) -> tuple[tuple[Image, ...], tuple[Image, ...]]:
    """Return the images that are learned from, and those that are held out.

    Args:
        images: Unlabelled images.
        seed: Of their order.

    Returns:
        Both in the seed's order; together at most `MOST`.
    """
    rng = np.random.default_rng(seed)
    order = [images[i] for i in rng.permutation(len(images))[:MOST]]
    learned = len(order) - min(HELD_OUT, len(order) // 2)
    return tuple(order[:learned]), tuple(order[learned:])


def fill_pool(
    images: Sequence[Image],
    spec: ModelSpec,
    path: Path,
    *,
    source: BoardInput,
    seed: int,
    progress: Progress = silent,
) -> ImagePool:
    """Letterbox images into a file of bytes.

    Args:
        images: Unlabelled images.
        spec: The cut model's sidecar: how an image becomes its input.
        path: The file to write.
        source: What the board feeds for the input.
        seed: Of the order, and so of which images are held out.
        progress: Called per image.

    Returns:
        The pool; at most `MOST` images of the source are in it.

    Raises:
        DataError: Fewer than `FEWEST` images can be read, or fewer differ.
    """
    learned, held_out = split_images(images, seed=seed)
    chosen = [*learned, *held_out]
    require_enough(len(chosen), f"{len(chosen)} images")
    thumbs: list[npt.NDArray[np.float32]] = []
    kept: list[Image] = []
    shape: tuple[int, ...] = ()
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        for done, (image, pixels) in enumerate(map_images(chosen, _letterboxed(spec))):
            progress("letterbox", done, len(chosen))
            if isinstance(pixels, ImageError):
                continue
            kept.append(image)
            shape = pixels.shape[1:]
            thumbs.append(_thumb(pixels))
            stream.write(pixels.tobytes())
    progress("letterbox", len(chosen), len(chosen))
    require_enough(len(kept), f"{len(kept)} readable images of {len(chosen)}")
    require_enough(_different(np.stack(thumbs)), f"{len(kept)} images, but not as many that differ")
    mapped = np.memmap(path, np.uint8, "r", shape=(len(kept), *shape))
    return ImagePool(tuple(kept), mapped, len(set(kept) & set(held_out)), source)


def _letterboxed(spec: ModelSpec) -> Any:
    def work(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return prepare_image(bgr, spec.input, spec.preprocess, Buffers())[0]

    return work


def _thumb(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(THUMB, THUMB): every few pixels, the mean of the colours."""
    _, _, height, width = pixels.shape
    rows, columns = (np.arange(THUMB) * side // THUMB for side in (height, width))
    return pixels[0][:, rows][:, :, columns].mean(axis=0, dtype=np.float32)


def _different(thumbs: npt.NDArray[np.float32]) -> int:
    """How many images differ from all before them, counted up to `FEWEST`."""
    kept: list[npt.NDArray[np.float32]] = []
    for thumb in thumbs:
        if all(np.abs(thumb - earlier).mean() > ALIKE for earlier in kept):
            kept.append(thumb)
        if len(kept) == FEWEST:
            break
    return len(kept)


def require_enough(count: int, what: str) -> None:
    """Raise DataError for fewer than `FEWEST` images; `what` says what there is."""
    if count < FEWEST:
        raise DataError(
            f"{what}, expected at least {FEWEST} different ones to learn from",
            hint="give a few hundred images of what the camera will show; labels are not needed",
        )
