from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ImageError
from edgekit.evaluation.bench.timing_images import (
    MAX_IMAGES,
    generated_images,
    images_of_labels,
    images_of_source,
)
from edgekit.evaluation.label_reader import load_labels
from tests.images import scene, write_images


def test_images_of_the_data_set_but_for_broken_ones(labels: Path) -> None:
    truth = load_labels(labels)
    truth.images[0].path.write_bytes(b"no image")
    found = images_of_labels(truth)
    assert found.words == "3 images of the data set"
    np.testing.assert_array_equal(found.bgr[0], scene(1))
    for image in truth.images:
        image.path.write_bytes(b"no image")
    with pytest.raises(ImageError):
        images_of_labels(truth)


def test_images_of_a_folder_at_most_so_many(tmp_path: Path) -> None:
    write_images(tmp_path / "images", MAX_IMAGES + 3)
    found = images_of_source(tmp_path / "images")
    assert len(found.bgr) == MAX_IMAGES and found.words == f"{MAX_IMAGES} images of images"
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError):
        images_of_source(tmp_path / "empty")


def test_generated_ones_are_the_same_every_time() -> None:
    np.testing.assert_array_equal(generated_images().bgr, generated_images().bgr)
    assert "without objects" in generated_images().words
