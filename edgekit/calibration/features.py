"""What an image looks like in a few numbers: brightness, colour, texture, layout; and a thumbnail."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 128  # images are compared at this size: fine enough for texture, cheap, and free of noise
THUMB_SIDE = 16
TEXTURE_SCALES = 3
ORIENTATIONS = 4

# These four decide what a convolutional network's activations look like: how bright, which colours, how much
# edge energy at which scale and angle, and where in the image. Each block counts alike in a distance.
BLOCKS = {"brightness": 5, "colour": 4, "texture": TEXTURE_SCALES + ORIENTATIONS, "layout": 16}


@dataclass(frozen=True, slots=True)
class ImageStats:
    """Plain figures of one image, in its own pixels; means in 0..255."""

    width: int
    height: int
    mean_rgb: tuple[float, float, float]
    contrast: float  # standard deviation of the luma
    chroma: float  # mean distance of a and b from grey, in CIE Lab units
    maximum: int
    zero_share: float  # how much of it is exactly 0


@dataclass(frozen=True, slots=True)
class Description:
    """`feature` (32,) float32 as in BLOCKS, `thumb` (16, 16, 3) float32 BGR 0..255, and the figures."""

    feature: npt.NDArray[np.float32]
    thumb: npt.NDArray[np.float32]
    stats: ImageStats


def describe(bgr: npt.NDArray[np.uint8]) -> Description:
    """Describes an image (h, w, 3) uint8."""
    small = cv2.resize(bgr, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_BGR2Lab), np.float32)
    luma = np.ascontiguousarray(lab[..., 0])
    feature = np.concatenate([_brightness(luma), _colour(lab), _texture(luma), _layout(luma)])
    thumb = cv2.resize(small.astype(np.float32), (THUMB_SIDE, THUMB_SIDE), interpolation=cv2.INTER_AREA)
    return Description(feature.astype(np.float32), np.asarray(thumb, np.float32), _stats(bgr, lab))


def standardise(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Features (n, 32) in units of their own spread over the set, every block with the same weight."""
    values = features.astype(np.float64)
    spread = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(spread > 1e-6, spread, 1)
    return np.asarray(scaled / np.repeat(np.sqrt(list(BLOCKS.values())), list(BLOCKS.values())))


def _brightness(luma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(np.quantile(luma, (0.05, 0.25, 0.5, 0.75, 0.95)), np.float32)


def _colour(lab: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    chroma = lab[..., 1:].reshape(-1, 2)
    return np.concatenate([chroma.mean(axis=0), chroma.std(axis=0)])


def _texture(luma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The mean gradient at three scales (log, as loudness), and its share in four directions."""
    energies = []
    shares = np.zeros(ORIENTATIONS)
    for scale in range(TEXTURE_SCALES):
        level = cv2.resize(luma, (SIDE >> scale, SIDE >> scale), interpolation=cv2.INTER_AREA)
        dx, dy = cv2.Sobel(level, cv2.CV_32F, 1, 0), cv2.Sobel(level, cv2.CV_32F, 0, 1)
        magnitude = np.hypot(dx, dy)
        energies.append(np.log1p(magnitude.mean()))
        angle = np.arctan2(dy, dx) % np.pi
        bins = np.minimum((angle * ORIENTATIONS / np.pi).astype(int), ORIENTATIONS - 1)
        shares += np.bincount(bins.ravel(), magnitude.ravel(), ORIENTATIONS)
    return np.asarray([*energies, *(shares / max(shares.sum(), 1e-6))], np.float32)


def _layout(luma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    cells = cv2.resize(luma, (4, 4), interpolation=cv2.INTER_AREA).ravel()
    return np.asarray(cells - cells.mean(), np.float32)


def _stats(bgr: npt.NDArray[np.uint8], lab: npt.NDArray[np.float32]) -> ImageStats:
    blue, green, red = (round(float(v), 3) for v in cv2.mean(bgr)[:3])
    return ImageStats(
        width=bgr.shape[1],
        height=bgr.shape[0],
        mean_rgb=(red, green, blue),
        contrast=round(float(lab[..., 0].std()) * 2.55, 3),
        chroma=round(float(np.hypot(lab[..., 1], lab[..., 2]).mean()), 3),
        maximum=int(bgr.max()),
        zero_share=round(1 - float(np.count_nonzero(bgr)) / bgr.size, 4),
    )
