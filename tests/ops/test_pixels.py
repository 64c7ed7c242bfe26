from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.ops.pixels import normalised, pack_input
from edgekit.spec import InputKind, InputSpec, Layout, Preprocess

BGR = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
SIZE = Preprocess(4, 2)


@pytest.mark.parametrize(
    "kind, layout, shape",
    [
        ("rgb", "NCHW", (1, 3, 2, 4)),
        ("rgb", "NHWC", (1, 2, 4, 3)),
        ("bgr", "NCHW", (1, 3, 2, 4)),
        ("yuv444", "NHWC", (1, 2, 4, 3)),
        ("gray", "NCHW", (1, 1, 2, 4)),
        ("nv12", "NCHW", (12,)),
    ],
)
def test_shapes(kind: InputKind, layout: Layout, shape: tuple[int, ...]) -> None:
    packed = pack_input(BGR, InputSpec("images", kind, layout), SIZE)
    assert packed.shape == shape
    assert packed.dtype == np.uint8
    assert packed.flags.c_contiguous


def test_channel_order() -> None:
    rgb = pack_input(BGR, InputSpec("images", "rgb", "NCHW"), SIZE)
    assert rgb[0, :, 0, 0].tolist() == [2, 1, 0]
    bgr = pack_input(BGR, InputSpec("images", "bgr", "NHWC"), SIZE)
    assert bgr[0, 1, 3].tolist() == [21, 22, 23]


def test_pixels_are_normalised_to_0_to_1_by_default() -> None:
    pixels = np.array([0, 255, 51], np.uint8).reshape(1, 3, 1, 1)
    values = normalised(pixels, InputSpec("x"), Preprocess(1, 1))
    assert values.dtype == np.float32
    assert values.reshape(-1).tolist() == [0.0, 1.0, np.float32(0.2)]


@pytest.mark.parametrize(("layout", "shape"), [("NCHW", (1, 3, 2, 1)), ("NHWC", (1, 2, 1, 3))])
def test_mean_and_std_are_per_channel(layout: Layout, shape: tuple[int, ...]) -> None:
    preprocess = Preprocess(1, 2, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0))
    pixels = np.full(shape, 40, np.uint8)
    values = normalised(pixels, InputSpec("x", layout=layout), preprocess)
    channels = np.moveaxis(values, 1 if layout == "NCHW" else 3, -1).reshape(2, 3)
    assert channels.tolist() == [[15.0, 5.0, 2.0]] * 2


def test_a_featuremap_is_no_image() -> None:
    with pytest.raises(ModelError, match="featuremap"):
        pack_input(BGR, InputSpec("images", "featuremap"), SIZE)
