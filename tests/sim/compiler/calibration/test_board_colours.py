"""What calibration sees of NV12: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.calibration.samples import Normalisation
from edgekit.sim.compiler.calibration.board_colours import as_calibration_sees
from edgekit.sim.compiler.emit.preprocess import ArrayInput, ImageInput
from edgekit.spec import InputKind

UNIT = Normalisation((0.0,) * 3, (1 / 255,) * 3)


def image(kind: InputKind = "nv12", train: InputKind = "rgb", space: str = "regular") -> ImageInput:
    return ImageInput("images", kind, train, "NHWC", space, UNIT)


def pixels(rows: list[list[tuple[int, int, int]]]) -> np.ndarray:
    """RGB pixels as (1, 3, h, w) in 0..1."""
    return np.asarray(rows, np.float32).transpose(2, 0, 1)[None] / np.float32(255)


def test_four_pixels_share_the_chroma_of_the_upper_left_one() -> None:
    """Blue has U = 0.5 * 255 + 128 = 255; white beside it becomes 255 + 1.7722 * 127 of 255 in blue: far above 1."""
    blue, white = (0, 0, 255), (255, 255, 255)
    seen = as_calibration_sees(pixels([[blue, white], [white, white]]), image())
    assert seen[0, 2, 1, 1] == pytest.approx((255 + 1.7722 * 127) / 255, abs=1e-5)
    other = as_calibration_sees(pixels([[white, blue], [white, white]]), image())
    assert other[0, :, 0, 0] == pytest.approx(1, abs=2 / 255)  # white's own chroma, rounded down


def test_luma_and_chroma_are_rounded_down() -> None:
    """Red of 10: Y = 2.99, U = 126.31, V = 133 become 2, 126 and 133."""
    seen = as_calibration_sees(pixels([[(10, 0, 0)] * 2] * 2), image())
    expected = (2 + 1.4017 * 5, 2 + 0.3437 * 2 - 0.7142 * 5, 2 - 1.7722 * 2)
    assert seen[0, :, 0, 0] * 255 == pytest.approx(expected, abs=1e-3)


def test_the_order_of_colours_is_that_of_training() -> None:
    rgb = pixels([[(200, 30, 90)] * 2] * 2)
    in_rgb, in_bgr = as_calibration_sees(rgb, image()), as_calibration_sees(rgb[:, ::-1], image(train="bgr"))
    assert np.allclose(in_rgb, in_bgr[:, ::-1])


@pytest.mark.parametrize(
    "source", [image("yuv444"), image("nv12", "yuv444"), image(space="bt601_video"), ArrayInput("images")]
)
def test_other_inputs_are_fed_as_they_are(source: ImageInput | ArrayInput) -> None:
    values = pixels([[(0, 0, 255), (255, 255, 255)]] * 2)
    assert as_calibration_sees(values, source) is values


@pytest.mark.parametrize(("kind", "train"), [("rgb", "rgb"), ("bgr", "rgb"), ("rgb", "bgr")])
def test_pixels_are_normalised_around_the_centre(kind: InputKind, train: InputKind) -> None:
    """(pixel - 128) / 255 + 128 / 255 in float32, whatever the order of the channels."""
    levels = np.random.default_rng(0).integers(0, 256, (1, 3, 4, 6)).astype(np.float32)
    values = levels * np.float32(1 / 255)
    seen = as_calibration_sees(values, image(kind, train))
    unit = np.float32(1 / 255)
    assert np.array_equal(seen, (levels - np.float32(128)) * unit + np.float32(128) * unit)
    assert not np.array_equal(seen, values) and np.abs(seen - values).max() < 1e-6


def test_values_between_grey_levels_stay_there() -> None:
    values = np.full((1, 3, 2, 2), 100.4 / 255, np.float32)
    assert as_calibration_sees(values, image("rgb")) * 255 == pytest.approx(100.4, abs=1e-3)
