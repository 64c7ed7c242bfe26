"""Samples of several inputs, found as archives, as arrays, or in a folder per input."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.runtime.array_source import array_frames, folder_name, open_samples
from edgekit.spec import InputSpec

IMAGE = InputSpec("net/image:0", "rgb", shape=(1, 3, 4, 4))
STATE = InputSpec("state", "featuremap", shape=(1, 2))
BOTH = (IMAGE, STATE)
PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def save(path: Path, **arrays: np.ndarray) -> None:
    """Write an archive under the inputs' names."""
    named = {IMAGE.name if name == "image" else name: array for name, array in arrays.items()}
    np.savez(path, **named)  # type: ignore[arg-type]  # allow_pickle is no parameter of numpy 1


def test_archives_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        save(tmp_path / f"{name}.npz", image=PIXELS, state=np.array([1.0, 2.0]), more=np.zeros(1))
    samples = open_samples(tmp_path, BOTH)
    assert [sample.name for sample in samples] == ["a", "b"]
    arrays = samples[0].read()
    assert set(arrays) == {IMAGE.name, "state"}  # what the model does not take stays in the file
    np.testing.assert_array_equal(arrays[IMAGE.name], PIXELS)
    (single,) = open_samples(tmp_path / "b.npz", BOTH)
    assert single.files == (tmp_path / "b.npz",)


def test_a_folder_per_input(tmp_path: Path) -> None:
    images, states = tmp_path / folder_name(IMAGE.name), tmp_path / "state"
    assert images.name == "net_image_0"
    images.mkdir()
    states.mkdir()
    cv2.imwrite(str(images / "x.png"), PIXELS)
    np.save(states / "x.npy", np.array([3.0, 4.0]))
    frames = array_frames(str(tmp_path), BOTH)
    (frame,) = frames.frames()
    assert (frames.count, frames.names, frame.name) == (1, ("x",), "x")
    np.testing.assert_array_equal(frame.bgr, PIXELS)
    assert frame.sample is frame.arrays and frame.arrays["state"].tolist() == [3.0, 4.0]
    np.save(states / "y.npy", np.zeros(2))
    with pytest.raises(DataError, match="has no file 'y', which another input has"):
        open_samples(tmp_path, BOTH)


def test_arrays_of_a_single_featuremap_show_a_black_pixel(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.array([5.0, 6.0]))
    (frame,) = array_frames(str(tmp_path), (STATE,)).frames()
    assert frame.bgr.shape == (1, 1, 3) and frame.arrays["state"].tolist() == [5.0, 6.0]
    with pytest.raises(DataError, match="no samples for input"):
        open_samples(tmp_path, BOTH)  # a .npy cannot say which input it is


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing", "does not exist"), ("text.txt", "holds no samples"), ("other.npz", "has no array 'net/image:0'")],
)
def test_what_is_no_sample_is_named(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "text.txt").write_text("x", encoding="utf-8")
    save(tmp_path / "other.npz", state=np.zeros(2))
    with pytest.raises(DataError, match=words):
        for sample in open_samples(tmp_path / name, BOTH):
            sample.read()


def test_a_damaged_archive_is_two_lines(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 nothing")
    (sample,) = open_samples(tmp_path, BOTH)
    with pytest.raises(DataError) as caught:
        sample.read()
    assert "docs/plain-cnns.md" in caught.value.hint
