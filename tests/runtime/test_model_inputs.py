"""Arrays by input name become what a model takes: images fitted, featuremaps as they are."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import EdgekitError, ImageError, ModelError
from edgekit.ops.buffers import Buffers
from edgekit.runtime.model_inputs import NO_IMAGE, check_featuremap, image_of, prepare_arrays
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess, Stage

LEFT = InputSpec("left", "rgb", shape=(1, 3, 4, 8))
RIGHT = InputSpec("right", "rgb", shape=(1, 3, 2, 2))
STATE = InputSpec("state", "featuremap", shape=(1, 3))
HEADS = (HeadSpec("y", "raw", (1, 2)),)


def spec_of(first: InputSpec, *more: InputSpec, stage: Stage = "quantized") -> ModelSpec:
    """A raw model of these inputs."""
    size_wh = (first.shape[3], first.shape[2]) if first.is_image else (1, 1)
    preprocess = Preprocess(*size_wh, fit="stretch", mean=(10.0,), std=(2.0,))
    return ModelSpec("raw", (), first, preprocess, HEADS, stage=stage, more_inputs=more)


def red(height: int, width: int) -> np.ndarray:
    """A red image, BGR."""
    return np.full((height, width, 3), (0, 0, 250), np.uint8)


def test_each_image_has_its_own_size_and_all_live_at_once() -> None:
    blue = red(6, 6)[..., ::-1]
    fed, letterbox = prepare_arrays({"left": red(4, 8), "right": blue}, spec_of(LEFT, RIGHT), Buffers())
    assert {name: (array.shape, str(array.dtype)) for name, array in fed.items()} == {
        "left": ((1, 3, 4, 8), "uint8"),
        "right": ((1, 3, 2, 2), "uint8"),
    }
    assert fed["left"][0, :, 0, 0].tolist() == [250, 0, 0]
    assert fed["right"][0, :, 0, 0].tolist() == [0, 0, 250]
    assert letterbox.source_wh == (8, 4)


def test_float_models_get_normalised_images_and_plain_featuremaps() -> None:
    state = np.array([1, -2, 3])
    fed, _ = prepare_arrays({"left": red(4, 8), "state": state}, spec_of(LEFT, STATE, stage="heads"), Buffers())
    assert fed["left"][0, :, 0, 0].tolist() == [120.0, -5.0, -5.0]  # (pixel - 10) / 2
    assert fed["state"].tolist() == [[1.0, -2.0, 3.0]] and fed["state"].dtype == np.float32


def test_a_model_without_images_has_no_letterbox() -> None:
    fed, letterbox = prepare_arrays({"state": np.zeros((1, 3))}, spec_of(STATE), Buffers())
    assert list(fed) == ["state"] and letterbox is NO_IMAGE


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"left": red(2, 2)}, "input 'state' is missing, got left"),
        ({"left": red(2, 2), "state": np.zeros(3), "other": np.zeros(1)}, "input 'other' is unknown"),
        ({"left": red(2, 2), "state": np.zeros((3, 1))}, r"float64\[3, 1\], expected numbers of \[1, 3\]"),
        ({"left": red(2, 2), "state": np.array(["a", "b", "c"])}, "expected numbers"),
        ({"left": red(2, 2), "state": np.array([1, np.inf, 2])}, "not finite"),
        ({"left": red(2, 2).astype(np.float32), "state": np.zeros(3)}, "expected an image"),
        ({"left": np.zeros((0, 4, 3), np.uint8), "state": np.zeros(3)}, "expected an image"),
    ],
)
def test_what_does_not_fit_is_named(arrays: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(EdgekitError, match=words):
        prepare_arrays(arrays, spec_of(LEFT, STATE), Buffers())


def test_grey_images_are_taken() -> None:
    grey = np.array([[7, 9]], np.uint8)
    for array in (grey, grey[..., None]):
        assert image_of(array, LEFT).tolist() == [[[7, 7, 7], [9, 9, 9]]]
    with pytest.raises(ImageError, match="expected an image"):
        image_of(np.zeros((2, 2, 4), np.uint8), LEFT)


def test_featuremaps_may_lack_the_batch() -> None:
    assert check_featuremap(np.arange(3), STATE).shape == check_featuremap(np.arange(3)[None], STATE).shape == (1, 3)
    with pytest.raises(ModelError):
        check_featuremap(np.arange(4), STATE)
