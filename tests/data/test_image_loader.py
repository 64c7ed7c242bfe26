from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.data import image_loader as reading
from edgekit.data import video
from edgekit.data.image_loader import map_pictures
from edgekit.data.image_source import Picture, open_source
from edgekit.data.video import read_frames
from edgekit.errors import ImageError
from edgekit.ops.photo import read_photo
from tests.photos import scene, write_photos, write_video


def test_pictures_come_in_order_and_bad_ones_as_errors(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, 12)
    paths[5].write_bytes(b"no photo")
    paths[7].write_bytes(b"")
    source = open_source(tmp_path, frames=1)
    results = list(map_pictures(source.pictures, lambda bgr: bgr.copy()))
    assert [picture for picture, _ in results] == list(source.pictures)
    for i, (_, result) in enumerate(results):
        if i in (5, 7):
            assert isinstance(result, ImageError)
        else:
            assert np.array_equal(result, scene(i))


def test_at_most_a_few_pictures_are_held(tmp_path: Path) -> None:
    """Nothing is read far ahead of what the caller takes: memory does not grow with the set."""
    write_photos(tmp_path, 60)
    read: list[int] = []
    results = map_pictures(open_source(tmp_path, frames=1).pictures, lambda bgr: read.append(1))
    for _ in range(3):
        next(results)
    assert len(read) < 60 - 10
    results.close()


def test_nothing_in_nothing_out() -> None:
    assert list(map_pictures([], lambda bgr: bgr)) == []


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


def test_photos_and_frames_mix(tmp_path: Path) -> None:
    (photo,) = write_photos(tmp_path, 1)
    clip = write_video(tmp_path / "v.avi", 10)
    pictures = [Picture(clip, "c1", 1), Picture(clip, "c4", 4), Picture(photo, "p")]
    shapes = [result.shape for _, result in map_pictures(pictures, lambda bgr: bgr)]  # type: ignore[union-attr]
    assert shapes == [(48, 64, 3), (48, 64, 3), (72, 96, 3)]


def test_whatever_one_photo_raises_the_others_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_photos(tmp_path, 3)
    read = read_photo

    def broken(path: Path) -> np.ndarray:
        if path == paths[1]:
            raise SystemError("from inside a library")
        return read(path)

    monkeypatch.setattr(reading, "read_photo", broken)
    got = [result for _, result in map_pictures([Picture(p, p.name) for p in paths], lambda bgr: bgr.shape[2])]
    assert got[0] == got[2] == 3
    assert isinstance(got[1], ImageError) and "from inside a library" in got[1].message
