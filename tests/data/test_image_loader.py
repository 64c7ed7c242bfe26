from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from edgekit.data import image_loader as reading
from edgekit.data import video
from edgekit.data.image_loader import map_images
from edgekit.data.image_source import Image, open_source
from edgekit.data.video import read_frames
from edgekit.errors import ImageError
from edgekit.ops.image import read_image
from tests.images import scene, write_images, write_video


def test_images_come_in_order_and_bad_ones_as_errors(tmp_path: Path) -> None:
    paths = write_images(tmp_path, 12)
    paths[5].write_bytes(b"no image")
    paths[7].write_bytes(b"")
    source = open_source(tmp_path, frames=1)
    results = list(map_images(source.images, lambda bgr: bgr.copy()))
    assert [image for image, _ in results] == list(source.images)
    for i, (_, result) in enumerate(results):
        if i in (5, 7):
            assert isinstance(result, ImageError)
        else:
            assert not isinstance(result, ImageError) and np.array_equal(result, scene(i))


def test_at_most_a_few_images_are_held(tmp_path: Path) -> None:
    """Nothing is read far ahead of what the caller takes: memory does not grow with the set."""
    write_images(tmp_path, 60)
    read: list[int] = []
    results = map_images(open_source(tmp_path, frames=1).images, lambda bgr: read.append(1))
    for _ in range(3):
        next(results)
    assert len(read) < 60 - 10
    cast(Any, results).close()


def test_nothing_in_nothing_out() -> None:
    assert list(map_images([], lambda bgr: bgr)) == []


@pytest.mark.parametrize("seek_gap", [600, 5])
def test_frames_are_the_ones_asked_for_by_decoding_on_and_by_seeking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seek_gap: int
) -> None:
    monkeypatch.setattr(video, "SEEK_GAP", seek_gap)
    path = write_video(tmp_path / "v.avi", 60)
    numbers = [0, 3, 20, 21, 59]
    for number, frame in zip(numbers, read_frames(path, numbers), strict=True):
        assert not isinstance(frame, ImageError)
        assert abs(float(frame.mean()) - (10 + 4 * number)) < 2
    assert isinstance(next(read_frames(path, [500])), ImageError)


def test_images_and_frames_mix(tmp_path: Path) -> None:
    (image,) = write_images(tmp_path, 1)
    clip = write_video(tmp_path / "v.avi", 10)
    images = [Image(clip, "c1", 1), Image(clip, "c4", 4), Image(image, "p")]
    shapes = [result.shape for _, result in map_images(images, lambda bgr: bgr)]  # type: ignore[union-attr]
    assert shapes == [(48, 64, 3), (48, 64, 3), (72, 96, 3)]


def test_whatever_one_image_raises_the_others_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_images(tmp_path, 3)
    read = read_image

    def broken(path: Path) -> np.ndarray:
        if path == paths[1]:
            raise SystemError("from inside a library")
        return read(path)

    monkeypatch.setattr(reading, "read_image", broken)
    got = [result for _, result in map_images([Image(p, p.name) for p in paths], lambda bgr: bgr.shape[2])]
    assert got[0] == got[2] == 3
    assert isinstance(got[1], ImageError) and "from inside a library" in got[1].message
