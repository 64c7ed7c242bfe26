from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgekit.tracking.motion import estimate_motion, motion_reference

NO_BOXES = np.zeros((0, 4), np.float32)
SIZE_WH = (1280, 720)
CORNERS = np.array([[0, 0], [1279, 0], [0, 719], [1279, 719]], float)


def textured(seed: int = 0, size_wh: tuple[int, int] = SIZE_WH) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (size_wh[1] // 16, size_wh[0] // 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC))


def similarity(angle: float, scale: float, dx: float, dy: float) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((640, 360), angle, scale)
    matrix[:, 2] += np.array([dx, dy])
    return np.asarray(matrix)


def moved(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]), borderMode=cv2.BORDER_REFLECT))


@pytest.mark.parametrize(
    "motion", [(0, 1, 0, 0), (0, 1, 17, -9), (2, 1, 0, 0), (0, 1.04, 3, 3), (-1.5, 0.97, -12, 6)], ids=str
)
def test_a_known_motion_is_measured(motion: tuple[float, float, float, float]) -> None:
    matrix, image = similarity(*motion), textured()
    estimated = estimate_motion(motion_reference(image, NO_BOXES), moved(image, matrix))
    assert estimated is not None and estimated.shape == (2, 3)
    at = [CORNERS @ m[:, :2].T + m[:, 2] for m in (matrix, estimated)]
    np.testing.assert_allclose(at[1], at[0], atol=1.5)


def test_objects_that_move_by_themselves_are_left_out() -> None:
    image, matrix = textured(), similarity(0, 1, 8, 4)
    after = moved(image, matrix)
    after[100:600, 100:800] = textured(1)[100:600, 120:820]
    box = np.array([[60, 60, 860, 660]], np.float32)
    estimated = estimate_motion(motion_reference(image, box), after)
    assert estimated is not None
    np.testing.assert_allclose(estimated, matrix, atol=0.5)
    corners = motion_reference(image, box).corners_xy.reshape(-1, 2) / 480 * 1280
    assert not ((corners > [60, 60]) & (corners < [860, 660])).all(axis=1).any()


def test_what_cannot_be_measured_is_none() -> None:
    image = textured()
    reference = motion_reference(image, NO_BOXES)
    assert estimate_motion(None, image) is None
    assert estimate_motion(reference, textured(size_wh=(640, 360))) is None
    assert estimate_motion(reference, textured(7)) is None  # a cut
    grey = np.full_like(image, 90)
    assert estimate_motion(motion_reference(grey, NO_BOXES), image) is None
    assert estimate_motion(reference, grey) is None
    everything = np.array([[-5, -5, np.inf, 4000]], np.float32)
    assert len(motion_reference(image, everything).corners_xy) == 0


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 2), (40, 500)])
def test_frames_of_any_size(size_wh: tuple[int, int]) -> None:
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    assert estimate_motion(motion_reference(image, NO_BOXES), image) is None
