"""Generated training images, letterboxed to the model's input and kept in shards on disk."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgekit.demo.rng import Rng
from edgekit.demo.scenes import MAX_OBJECTS, render_image
from edgekit.files import atomic_path
from edgekit.ops.letterbox import letterbox_image
from edgekit.spec import Preprocess

SIZE_WH = (320, 256)
PREPROCESS = Preprocess(*SIZE_WH)
SHARD = 250  # images per file
ASPECTS = (5 / 4, 4 / 3, 3 / 2, 16 / 9, 1.0, 3 / 4, 2 / 3)
TRAIN_SEED, VAL_SEED = 1_000_000, 9_000_000  # far from each other and from the demo's own images


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Letterboxed images: `rgb` (n, H, W, 3) uint8, `owner` (n, H, W) uint8 (0 nothing, i + 1 instance i),
    `classes` (n, m) int64 (-1 where there is none), `boxes_xyxy` (n, m, 4) float32 px of the input."""

    rgb: np.ndarray
    owner: np.ndarray
    classes: np.ndarray
    boxes_xyxy: np.ndarray

    def __len__(self) -> int:
        return len(self.rgb)

    def take(self, index: np.ndarray) -> Images:
        return Images(self.rgb[index], self.owner[index], self.classes[index], self.boxes_xyxy[index])


def load_images(folder: Path, count: int, first_seed: int, size_of: Callable[[int], tuple[int, int]]) -> Images:
    """Renders what is not yet in `folder` and gives `count` images; an interrupted rendering goes on."""
    shards, started = [], time.monotonic()
    for start in range(0, count, SHARD):
        seeds = range(first_seed + start, first_seed + min(start + SHARD, count))
        path = folder / f"{seeds.start}_{len(seeds)}.npz"
        if not path.exists():
            _write_shard(path, seeds, size_of)
            print(f"rendered {start + len(seeds)}/{count} images, {time.monotonic() - started:.0f} s", flush=True)
        with np.load(path, allow_pickle=False) as arrays:
            shards.append(Images(**{name: arrays[name] for name in Images.__slots__}))
    return Images(*(np.concatenate([getattr(s, name) for s in shards]) for name in Images.__slots__))


def train_size(seed: int) -> tuple[int, int]:
    """Most images are rendered at the model's own scale, a third larger and then scaled down like images."""
    rng = Rng(seed)
    aspect = rng.pick(ASPECTS)
    fit = (SIZE_WH[0], SIZE_WH[0] / aspect) if aspect > SIZE_WH[0] / SIZE_WH[1] else (SIZE_WH[1] * aspect, SIZE_WH[1])
    zoom = rng.between(1.2, 2.0) if rng.chance(0.33) else 1.0
    return round(fit[0] * zoom), round(fit[1] * zoom)


def val_size(seed: int) -> tuple[int, int]:
    """Image sizes, all larger than the model's input, as the demo's images are."""
    return Rng(seed).pick(((640, 480), (480, 640), (640, 427), (512, 512), (640, 360)))


def batches(images: Images, size: int, *, seed: int, first_step: int) -> Iterator[Images]:
    """Whole batches without end, in a new order each pass, half of the images mirrored, colours jittered.

    Step n gets the same batch whether or not the training was interrupted before it.
    """
    per_pass = len(images) // size
    for step in itertools.count(first_step):
        order = np.random.default_rng((seed, step // per_pass)).permutation(len(images))
        start = step % per_pass * size
        yield augmented(images.take(order[start : start + size]), np.random.default_rng((seed, step, 1)))


def augmented(images: Images, rng: np.random.Generator) -> Images:
    """Mirrored and recoloured copies."""
    rgb, owner, boxes = images.rgb.copy(), images.owner.copy(), images.boxes_xyxy.copy()
    for i in range(len(images)):
        if rng.random() < 0.5:
            rgb[i], owner[i] = rgb[i, :, ::-1].copy(), owner[i, :, ::-1].copy()
            boxes[i, :, [0, 2]] = SIZE_WH[0] - boxes[i, :, [2, 0]]
        if rng.random() < 0.5:
            gain = rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3)
            table = np.clip(np.arange(256)[:, None] * gain + rng.uniform(-12, 12), 0, 255).astype(np.uint8)
            rgb[i] = cv2.LUT(rgb[i], table[None])
    return Images(rgb, owner, images.classes, boxes)


def _write_shard(path: Path, seeds: range, size_of: Callable[[int], tuple[int, int]]) -> None:
    width, height = SIZE_WH
    rgb = np.empty((len(seeds), height, width, 3), np.uint8)
    owner = np.zeros((len(seeds), height, width), np.uint8)
    classes = np.full((len(seeds), MAX_OBJECTS), -1, np.int64)
    boxes = np.zeros((len(seeds), MAX_OBJECTS, 4), np.float32)
    for i, seed in enumerate(seeds):
        scene = render_image(seed, size_of(seed))
        bgr, letterbox = letterbox_image(scene.bgr, PREPROCESS)
        rgb[i] = bgr[..., ::-1]
        inner = np.zeros(scene.bgr.shape[:2], np.uint8)
        for k, instance in enumerate(scene.instances):
            inner[instance.mask] = k + 1
            classes[i, k] = instance.class_id
            boxes[i, k] = letterbox.apply_boxes(np.asarray([instance.box_xyxy], np.float32))[0]
        small = cv2.resize(inner, letterbox.resized_wh, interpolation=cv2.INTER_NEAREST_EXACT)
        owner[i, letterbox.top :, letterbox.left :][: small.shape[0], : small.shape[1]] = small
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, rgb=rgb, owner=owner, classes=classes, boxes_xyxy=boxes)
