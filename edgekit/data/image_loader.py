"""Reading images one after another, on all cores, in order, with memory for a few of them only."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from edgekit.cores import cores
from edgekit.data.image_source import Image
from edgekit.data.video import read_frames
from edgekit.errors import ImageError
from edgekit.ops.image import read_image

T = TypeVar("T")
Bgr = npt.NDArray[np.uint8]


def map_images(
    images: Sequence[Image], work: Callable[[Bgr], T], *, workers: int | None = None
) -> Iterator[tuple[Image, T | ImageError]]:
    """Apply `work` to every image, decoding in threads: OpenCV frees the interpreter while it decodes.

    Args:
        images: What `open_source` found.
        work: Function of an image (H, W, 3) uint8 BGR.
        workers: Number of threads; None is one per core. At most two images per thread are held.

    Returns:
        Pairs in the order of `images`: the image and the result, or an ImageError if it cannot be read.
    """
    workers = workers or cores()
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[tuple[Image, Future[T | ImageError]]] = deque()
        try:
            for image, read in _readers(images):
                pending.append((image, pool.submit(_attempt, read, work)))
                if len(pending) >= 2 * workers:
                    first, future = pending.popleft()
                    yield first, future.result()
            for first, future in pending:
                yield first, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _readers(images: Sequence[Image]) -> Iterator[tuple[Image, Callable[[], Bgr | ImageError]]]:
    """How each image is read: an image by the worker itself, frames of a video here, one pass over it."""
    for path, group in itertools.groupby(images, key=lambda p: p.path if p.frame >= 0 else None):
        if path is None:
            for image in group:
                yield image, lambda p=image: read_image(p.path)  # type: ignore[misc]
        else:
            frames = list(group)
            for image, frame in zip(frames, read_frames(path, [p.frame for p in frames]), strict=True):
                yield image, lambda f=frame: f  # type: ignore[misc]


def _attempt(read: Callable[[], Bgr | ImageError], work: Callable[[Bgr], T]) -> T | ImageError:
    try:
        bgr = _with_reason(read)
        return bgr if isinstance(bgr, ImageError) else work(bgr)
    except ImageError as error:
        return error


def _with_reason(read: Callable[[], Bgr | ImageError]) -> Bgr | ImageError:
    """What `read` gives; whatever one image raises, the others are read."""
    try:
        return read()
    except ImageError as error:
        return error
    except Exception as error:
        return ImageError(f"cannot be read ({type(error).__name__}: {error})", hint="save it as JPEG or PNG again")
