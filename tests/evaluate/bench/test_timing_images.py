from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ImageError
from edgekit.evaluate.bench.timing_images import (
    MAX_PICTURES,
    generated_pictures,
    pictures_of_source,
    pictures_of_truth,
)
from edgekit.evaluate.labels import load_truth
from tests.photos import scene, write_photos


def test_photos_of_the_data_set_but_for_broken_ones(labels: Path) -> None:
    truth = load_truth(labels)
    truth.photos[0].path.write_bytes(b"no photo")
    found = pictures_of_truth(truth)
    assert found.words == "3 photos of the data set"
    np.testing.assert_array_equal(found.bgr[0], scene(1))
    for photo in truth.photos:
        photo.path.write_bytes(b"no photo")
    with pytest.raises(ImageError):
        pictures_of_truth(truth)


def test_photos_of_a_folder_at_most_so_many(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", MAX_PICTURES + 3)
    found = pictures_of_source(tmp_path / "photos")
    assert len(found.bgr) == MAX_PICTURES and found.words == f"{MAX_PICTURES} pictures of photos"
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError):
        pictures_of_source(tmp_path / "empty")


def test_generated_ones_are_the_same_every_time() -> None:
    np.testing.assert_array_equal(generated_pictures().bgr, generated_pictures().bgr)
    assert "without objects" in generated_pictures().words
