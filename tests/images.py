"""Made-up images for tests: every number gives another scene, the same on every run."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt


def scene(number: int, *, size_wh: tuple[int, int] = (96, 72)) -> npt.NDArray[np.uint8]:
    """A smooth background with a few discs and boxes, (h, w, 3) uint8 BGR, warm on the whole like images are."""
    rng = np.random.default_rng(number)
    width, height = size_wh
    corners = rng.integers(20, 200, (2, 2, 3)).astype(np.float32)
    corners[..., 2] += 70
    image = np.ascontiguousarray(cv2.resize(corners, size_wh, interpolation=cv2.INTER_LINEAR))
    for _ in range(int(rng.integers(2, 7))):
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        x, y, r = int(rng.integers(0, width)), int(rng.integers(0, height)), int(rng.integers(4, width // 3))
        if rng.random() < 0.5:
            cv2.circle(image, (x, y), r, colour, -1)
        else:
            cv2.rectangle(image, (x, y), (x + r, y + r // 2), colour, -1)
    return np.clip(image, 0, 255).astype(np.uint8)


def write_images(folder: Path, count: int, *, first: int = 0, suffix: str = ".png") -> list[Path]:
    """`count` different images `image_000.png`, ... in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"image_{i:03d}{suffix}" for i in range(first, first + count)]
    for i, path in enumerate(paths, first):
        cv2.imwrite(str(path), scene(i))
    return paths


def write_video(path: Path, count: int, *, size_wh: tuple[int, int] = (64, 48)) -> Path:
    """A video whose frame number n is the grey level 10 + 4n all over (lossy, so within two levels)."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, size_wh)
    assert writer.isOpened()
    for n in range(count):
        writer.write(np.full((size_wh[1], size_wh[0], 3), 10 + 4 * n % 240, np.uint8))
    writer.release()
    return path
