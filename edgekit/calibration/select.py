"""Which images go into the set: a spread-out and typical subset, a random one, or the first.

`diverse` describes every image (brightness, colour, texture, layout: what a network's activations depend on),
drops near-duplicates, groups the rest into as many clusters as images are wanted and takes the one nearest to
each cluster's centre. So every kind of image is there, rare kinds too, each by a typical one, and no kind twice
before every other is there once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.calibration.features import THUMB_SIDE, Description, ImageStats, describe, standardise
from edgekit.data.image_loader import map_images
from edgekit.data.image_source import Image, ImageSource
from edgekit.errors import ConfigError, DataError, ImageError
from edgekit.progress import Progress, silent

SELECTIONS = ("diverse", "random", "first")
MAX_CANDIDATES = 4000  # looked at by `diverse`; of a larger source a seeded sample, so that time stays bounded
DUPLICATE_RMS = 4.0  # grey levels between 16x16 thumbnails: re-encoded or resized copies differ by under 2
CLUSTER_ROUNDS = 20

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dropped:
    """An image that was passed over, and why: "undecodable", "near-duplicate" or "missing"."""

    name: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """An image of the set with its figures; `nearest_rms`: thumbnail distance to the nearest other one."""

    image: Image
    stats: ImageStats
    nearest_rms: float


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen images in the source's order, and what was dropped on the way.

    `offered` images were there, `looked_at` of them were decoded.
    """

    chosen: tuple[Chosen, ...]
    dropped: tuple[Dropped, ...]
    offered: int
    looked_at: int


def select_images(
    source: ImageSource, *, num: int, how: str = "diverse", seed: int = 0, progress: Progress = silent
) -> Selection:
    """Choose `num` images (fewer where there are not as many different ones).

    Deterministic in the source's order and `seed`. Raises DataError where nothing can be decoded.
    """
    if how not in SELECTIONS:
        raise ConfigError(f"select is {how!r}, expected one of {', '.join(SELECTIONS)}", hint="diverse is the default")
    if not 1 <= num <= 100_000:
        raise ConfigError(f"num is {num}, expected 1..100000", hint="50 to 200 images are usual")
    selection = (
        _diverse(source, num, seed, progress) if how == "diverse" else _in_order(source, num, how, seed, progress)
    )
    if not selection.chosen:
        first = next((d for d in selection.dropped if d.reason == "undecodable"), None)
        raise DataError(
            f"none of the {selection.looked_at} images could be decoded" + (f" ({first.detail})" if first else ""),
            hint="check that they are images; convert them to JPEG or PNG",
        )
    return selection


def _in_order(source: ImageSource, num: int, how: str, seed: int, progress: Progress) -> Selection:
    """The first `num` decodable ones, of a shuffled order for `random`."""
    order = np.arange(len(source.images))
    if how == "random":
        order = np.random.default_rng(seed).permutation(order)
    position_of = {source.images[i]: int(i) for i in order}
    good: list[tuple[Image, Description]] = []
    dropped: list[Dropped] = []
    for image, result in _in_batches([source.images[i] for i in order], num, good):
        if isinstance(result, ImageError):
            dropped.append(Dropped(image.name, "undecodable", result.message))
        elif len(good) < num:
            good.append((image, result))
            progress("looking at images", len(good), min(num, len(order)))
    good.sort(key=lambda pair: position_of[pair[0]])
    return _selection(source, good, dropped, len(good) + len(dropped))


def _in_batches(
    images: Sequence[Image], num: int, good: list[tuple[Image, Description]]
) -> Iterator[tuple[Image, Description | ImageError]]:
    """Describes images until the caller has `num` good ones; sorted within a batch, for videos' sake."""
    start = 0
    while len(good) < num and start < len(images):
        stop = start + num - len(good)
        batch = sorted(images[start:stop], key=lambda p: (str(p.path), p.frame))
        yield from map_images(batch, describe)
        start = stop


def _diverse(source: ImageSource, num: int, seed: int, progress: Progress) -> Selection:
    rng = np.random.default_rng(seed)
    images: Sequence[Image] = source.images
    limit = max(MAX_CANDIDATES, num)
    if len(images) > limit:
        images = [images[i] for i in np.sort(rng.choice(len(images), limit, replace=False))]
    good: list[tuple[Image, Description]] = []
    dropped: list[Dropped] = []
    known = _Thumbs(len(images))
    for count, (image, result) in enumerate(map_images(images, describe), 1):
        progress("looking at images", count, len(images))
        if isinstance(result, ImageError):
            dropped.append(Dropped(image.name, "undecodable", result.message))
            continue
        twin = known.twin_of(result)
        if twin is not None:
            dropped.append(Dropped(image.name, "near-duplicate", f"looks like {good[twin][0].name}"))
            continue
        known.add(result)
        good.append((image, result))
    if len(good) > num:
        features = standardise(np.stack([d.feature for _, d in good]))
        good = [good[i] for i in _cluster_representatives(features, num)]
    return _selection(source, good, dropped, len(images))


class _Thumbs:
    """The thumbnails kept so far, each as one row, to find near-duplicates of the next."""

    def __init__(self, capacity: int) -> None:
        self._rows = np.zeros((capacity, THUMB_SIDE * THUMB_SIDE * 3), np.float32)
        self._squares = np.zeros(capacity, np.float32)
        self._count = 0

    def twin_of(self, described: Description) -> int | None:
        """The first kept thumbnail within DUPLICATE_RMS, or within a quarter of the image's own contrast."""
        row = described.thumb.ravel()
        limit = min(DUPLICATE_RMS, max(1.0, float(row.std()) / 4))  # dim images differ by less
        rows, squares = self._rows[: self._count], self._squares[: self._count]
        # |r - x|^2 by one product with all rows; its rounding is small against this margin
        about = (squares + row @ row - 2 * (rows @ row)) / row.size
        near = np.flatnonzero(about < limit**2 + 1)
        exact = near[_rms(rows[near], row) < limit]
        return int(exact[0]) if exact.size else None

    def add(self, described: Description) -> None:
        row = described.thumb.ravel()
        self._rows[self._count], self._squares[self._count] = row, row @ row
        self._count += 1


def _cluster_representatives(features: Floats, num: int) -> list[int]:
    """k-means from farthest-first seeds, then the member nearest to each centre; indices ascending.

    `features`: (n, d) with n > num. Farthest-first (k-centre) seeds reach the rare kinds, the rounds of
    k-means move the centres from the oddest to the typical image of each kind.
    """
    seeds = _farthest_first(features, num)
    centres = features[seeds]
    labels = np.full(len(features), -1)
    for _ in range(CLUSTER_ROUNDS):
        nearest = _distances(features, centres).argmin(axis=1)
        nearest[seeds] = np.arange(num)  # a seed holds its cluster: none runs empty
        if (nearest == labels).all():
            break
        labels = nearest
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, features)
        centres = sums / np.bincount(labels, minlength=num)[:, None]
    distances = _distances(features, centres)
    members = np.where(labels[:, None] == np.arange(num), distances, np.inf)
    return sorted(int(i) for i in members.argmin(axis=0))


def _farthest_first(features: Floats, num: int) -> npt.NDArray[np.intp]:
    """Start with the most average image; each next one is the farthest from all before."""
    first = int(np.square(features).sum(axis=1).argmin())
    chosen = [first]
    nearest = np.square(features - features[first]).sum(axis=1)
    while len(chosen) < num:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.square(features - features[chosen[-1]]).sum(axis=1))
        nearest[chosen] = -1.0  # never twice, even where all images are alike
    return np.asarray(chosen, np.intp)


def _distances(a: Floats, b: Floats) -> Floats:
    squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)[None] - 2 * (a @ b.T)
    return np.asarray(np.maximum(squares, 0))


def _selection(
    source: ImageSource, good: Sequence[tuple[Image, Description]], dropped: list[Dropped], looked_at: int
) -> Selection:
    absent = [Dropped(name, "missing", "named by the source, but there is no such file") for name in source.missing]
    rows = np.stack([d.thumb.ravel() for _, d in good]) if good else np.zeros((0, 1), np.float32)
    chosen = []
    for i, (image, described) in enumerate(good):
        rms = _rms(rows, rows[i])
        rms[i] = np.inf
        nearest = float(rms.min()) if len(good) > 1 else 0.0
        chosen.append(Chosen(image, described.stats, round(nearest, 3)))
    return Selection(tuple(chosen), tuple(absent + dropped), len(source.images), looked_at)


def _rms(rows: npt.NDArray[np.float32], row: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(np.sqrt(np.square(rows - row).mean(axis=1)), np.float32)
