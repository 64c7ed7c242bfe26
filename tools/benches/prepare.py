"""Preparing an image (letterbox, colours, layout) into buffers used again, against the plain ways."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from benches.heads import IMAGES, SIDE
from edgekit.ops.buffers import Buffers
from edgekit.ops.letterbox import letterbox_of
from edgekit.ops.nv12 import letterbox_nv12
from edgekit.ops.prepare import prepare_image
from edgekit.ops.yuv import bgr_to_nv12
from edgekit.spec import InputSpec, Preprocess

Image = np.ndarray[Any, Any]
SIZE = Preprocess(SIDE, SIDE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)


def run(args: argparse.Namespace) -> dict[str, float]:
    """Print the table; return the ratios by input."""
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    images = _images(args.images)
    buffers, nv12, rgb = Buffers(), InputSpec("images", "nv12"), InputSpec("images", "rgb")
    times = _times(
        images,
        {
            "rgb plain": lambda p: plain_rgb(plain_letterbox(p)),
            "rgb edgekit": lambda p: prepare_image(p, rgb, SIZE, buffers),
            "nv12 plain, studio range": lambda p: plain_nv12_studio(plain_letterbox(p)),
            "nv12 plain, full range": lambda p: plain_nv12_full(plain_letterbox(p)),
            "nv12 edgekit, full range": lambda p: prepare_image(p, nv12, SIZE, buffers),
        },
        args.rounds,
    )
    frames = [bgr_to_nv12(p[: p.shape[0] // 2 * 2, : p.shape[1] // 2 * 2]) for p in images]
    sizes = {id(f): (p.shape[1] // 2 * 2, p.shape[0] // 2 * 2) for f, p in zip(frames, images, strict=True)}
    own = {"nv12 frame of a camera": lambda f: letterbox_nv12(f, sizes[id(f)], SIZE, buffers)}
    times |= _times(frames, own, args.rounds)
    print(f"{len(images)} images to {SIDE}x{SIDE}, letterbox included, one core")
    print(f"  best ms of {args.rounds} rounds, median over the images")
    for name, values in times.items():
        print(f"  {name:26s} {np.median(values):7.3f}")
    ratios: dict[str, float] = {}
    for title, plain, ours in (
        ("rgb: plain / edgekit", "rgb plain", "rgb edgekit"),
        ("nv12: plain full range / edgekit", "nv12 plain, full range", "nv12 edgekit, full range"),
        ("nv12: plain studio range / edgekit (other colours)", "nv12 plain, studio range", "nv12 edgekit, full range"),
    ):
        ratios[title] = float(np.median(times[plain] / times[ours]))
        print(f"  {title:51s} {ratios[title]:5.2f}")
    for image in images:
        expected = plain_rgb(plain_letterbox(image))
        np.testing.assert_array_equal(prepare_image(image, rgb, SIZE, buffers)[0], expected)
        expected = plain_nv12_full(plain_letterbox(image))
        np.testing.assert_array_equal(prepare_image(image, nv12, SIZE, buffers)[0], expected)
    print("same bytes as the plain rgb and the plain full-range nv12")
    return ratios


def plain_letterbox(bgr: Image) -> Image:
    box = letterbox_of((bgr.shape[1], bgr.shape[0]), SIZE)
    small = cv2.resize(bgr, box.resized_wh, interpolation=cv2.INTER_LINEAR)
    bottom, right = SIDE - box.top - box.resized_wh[1], SIDE - box.left - box.resized_wh[0]
    grey = (SIZE.pad_value,) * 3
    return np.asarray(cv2.copyMakeBorder(small, box.top, bottom, box.left, right, cv2.BORDER_CONSTANT, value=grey))


def plain_rgb(canvas: Image) -> Image:
    """cvtColor, transpose, reshape, with a fresh array each."""
    rgb = cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)).reshape(1, 3, SIDE, SIDE)


def plain_nv12_studio(canvas: Image) -> Image:
    """The usual way over I420, whose colours are not those of a full-range model."""
    planar = cv2.cvtColor(canvas, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    count = SIDE * SIDE
    pairs = planar[count:].reshape(2, count // 4).transpose(1, 0).reshape(-1)
    return np.concatenate([planar[:count], pairs])


def plain_nv12_full(canvas: Image) -> Image:
    """The same steps for full-range colours."""
    ycrcb = cv2.cvtColor(canvas, cv2.COLOR_BGR2YCrCb)
    small = cv2.resize(ycrcb, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)
    planar = ycrcb.transpose(2, 0, 1)[0].reshape(-1)
    pairs = small.transpose(2, 0, 1)[[2, 1]].reshape(2, -1).transpose(1, 0).reshape(-1)
    return np.concatenate([planar, pairs])


def _images(count: int) -> list[Image]:
    if IMAGES.is_dir():
        from edgekit import read_image

        return [read_image(path) for path in sorted(IMAGES.glob("*.jpg"))[:count]]
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(count)]


def _times(
    images: Sequence[Image], ways: Mapping[str, Callable[[Image], object]], rounds: int
) -> dict[str, np.ndarray[Any, Any]]:
    spent = {name: np.zeros((rounds, len(images))) for name in ways}
    for turn in range(rounds):
        for index, image in enumerate(images):
            for name, way in ways.items():
                begin = time.thread_time()  # of this thread alone: other processes do not count
                way(image)
                spent[name][turn, index] = (time.thread_time() - begin) * 1000
    return {name: values.min(axis=0) for name, values in spent.items()}
