"""Videos of moving objects with known truth: objects of the demo's generated images, cut out and moved over another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.demo.backgrounds import paint_background
from edgekit.demo.rng import Rng
from edgekit.demo.scenes import render_image
from edgekit.output.writer import video_writer

SIZE_WH = (640, 480)
LEAST_SIDE = 60  # pixels of an object that is taken
HIDDEN = 0.3  # visible share below which an object is no truth in a frame


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """An object to move: pixels (h, w, 3) and alpha (h, w) in 0..1."""

    bgr: npt.NDArray[np.uint8]
    alpha: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The objects of a frame that can be detected: ids (k,) and boxes (k, 4)."""

    ids: npt.NDArray[np.int64]
    boxes_xyxy: npt.NDArray[np.float32]


def write_moving_video(path: Path, seed: int, *, count: int, frames: int) -> list[Truth]:
    """Write a video in which pairs of objects cross; those behind are hidden for some frames. `count` is even."""
    rng = np.random.default_rng(seed)
    sprites = _sprites(rng, count)
    background = _background(seed)
    starts = np.column_stack([np.linspace(0.1, 0.9, count), rng.uniform(0.35, 0.65, count)])
    neighbors = np.arange(count) ^ 1  # each takes the position of the next, in front of it or behind
    ends = np.column_stack([starts[neighbors, 0], rng.uniform(0.35, 0.65, count)])
    truth = []
    with video_writer(path, fps=20, size_wh=SIZE_WH) as append:
        for index in range(frames):
            share = index / (frames - 1)
            centers = (starts + (ends - starts) * share) * SIZE_WH
            image, of_frame = _frame(background, sprites, centers)
            append(image)
            truth.append(of_frame)
    return truth


def _frame(
    background: npt.NDArray[np.uint8], sprites: Sequence[Sprite], centers: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.uint8], Truth]:
    """Paint the sprites from back to front; the truth are the whole boxes of what is not almost hidden."""
    canvas = background.astype(np.float32)
    owner = np.full(background.shape[:2], -1)
    boxes = []
    for number, (sprite, center) in enumerate(zip(sprites, centers, strict=True)):
        height, width = sprite.alpha.shape
        left, top = (round(float(c) - side / 2) for c, side in zip(center, (width, height), strict=True))
        x1, y1, x2, y2 = max(0, left), max(0, top), min(SIZE_WH[0], left + width), min(SIZE_WH[1], top + height)
        inside = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
        alpha = sprite.alpha[inside][..., None]
        window = canvas[y1:y2, x1:x2]
        window += alpha * (sprite.bgr[inside] - window)
        owner[y1:y2, x1:x2][alpha[..., 0] > 0.5] = number
        boxes.append((x1, y1, x2, y2))
    shares = [(owner == i).sum() / max(1, (s.alpha > 0.5).sum()) for i, s in enumerate(sprites)]
    ids = np.flatnonzero(np.asarray(shares) >= HIDDEN)
    return canvas.clip(0, 255).astype(np.uint8), Truth(ids, np.asarray(boxes, np.float32)[ids])


def _sprites(rng: np.random.Generator, count: int) -> list[Sprite]:
    """Cut whole objects out of generated images."""
    sprites: list[Sprite] = []
    while len(sprites) < count:
        scene = render_image(int(rng.integers(1 << 30)), SIZE_WH)
        instance = scene.instances[-1] if scene.instances else None  # the foremost is hidden by nothing
        if instance is None:
            continue
        x1, y1, x2, y2 = instance.box_xyxy
        whole = min(x1, y1) > 0 and x2 < SIZE_WH[0] and y2 < SIZE_WH[1]
        if whole and min(x2 - x1, y2 - y1) >= LEAST_SIDE and max(x2 - x1, y2 - y1) <= 3 * LEAST_SIDE:
            alpha = cv2.GaussianBlur(instance.mask[y1:y2, x1:x2].astype(np.float32), (0, 0), 0.7)
            sprites.append(Sprite(scene.bgr[y1:y2, x1:x2], np.asarray(alpha, np.float32)))
    return sprites


def _background(seed: int) -> npt.NDArray[np.uint8]:
    """A background without objects."""
    rgb = paint_background(Rng(seed), SIZE_WH)
    return np.ascontiguousarray((255 * rgb[..., ::-1]).clip(0, 255).astype(np.uint8))
