"""The constant-velocity Kalman filter of box tracks: centre, aspect ratio and height, each with its velocity.

The noise is that of DeepSORT and ByteTrack (arXiv 1703.07402, 2110.06864): proportional to the box's height, constant
for the aspect ratio. With that noise the eight-dimensional filter falls into four of two dimensions (a value and its
velocity), since neither the motion nor the measurement ever couples two values; only those four are computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["KalmanState", "correct", "initiate", "measurements", "predict", "to_xyxy", "transform"]

Floats = npt.NDArray[np.float64]
POSITION_WEIGHT = 1 / 20  # standard deviation of a position, in box heights
VELOCITY_WEIGHT = 1 / 160  # standard deviation of a velocity, in box heights per frame
ASPECT_STD, ASPECT_VELOCITY_STD, ASPECT_MEASURED_STD = 1e-2, 1e-5, 1e-1
ASPECT, HEIGHT = 2, 3  # columns


@dataclass(frozen=True, slots=True)
class KalmanState:
    """Estimates of n boxes.

    Attributes:
        means: (n, 4) float64; centre x, centre y, aspect ratio (width / height) and height, in pixels.
        velocities: (n, 4) float64; their changes per frame.
        covariances: (n, 3, 4) float64; for each of the four values the variance, the covariance with its velocity,
            and the velocity's variance.
    """

    means: Floats
    velocities: Floats
    covariances: Floats

    def __len__(self) -> int:
        return len(self.means)

    def take(self, index: npt.NDArray[np.intp]) -> KalmanState:
        """Return the rows at `index` (k,), in that order."""
        return KalmanState(self.means[index], self.velocities[index], self.covariances[index])


def measurements(boxes_xyxy: npt.NDArray[np.float32]) -> Floats:
    """Convert corners (n, 4) of positive width and height to centre x, y, aspect ratio and height (n, 4)."""
    boxes = boxes_xyxy.astype(np.float64)
    sizes = boxes[:, 2:] - boxes[:, :2]
    centres = boxes[:, :2] + sizes / 2
    return np.column_stack([centres, sizes[:, 0] / sizes[:, 1], sizes[:, 1]])


def to_xyxy(state: KalmanState) -> npt.NDArray[np.float32]:
    """Return the estimated boxes (n, 4) float32 as corners."""
    heights = state.means[:, HEIGHT]
    half = np.column_stack([state.means[:, ASPECT] * heights, heights]) / 2
    centres = state.means[:, :2]
    return np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)


def initiate(measured: Floats) -> KalmanState:
    """Begin a track from each measurement (n, 4), at rest and with wide variances."""
    heights = measured[:, HEIGHT]
    covariances = np.zeros((len(measured), 3, 4))
    covariances[:, 0] = _variances(heights, 2 * POSITION_WEIGHT, ASPECT_STD)
    covariances[:, 2] = _variances(heights, 10 * VELOCITY_WEIGHT, ASPECT_VELOCITY_STD)
    return KalmanState(measured.astype(np.float64), np.zeros((len(measured), 4)), covariances)


def predict(state: KalmanState) -> KalmanState:
    """Advance every estimate by one frame."""
    heights = state.means[:, HEIGHT]
    variance, mixed, velocity_variance = np.moveaxis(state.covariances, 1, 0)
    covariances = np.stack(
        [
            variance + 2 * mixed + velocity_variance + _variances(heights, POSITION_WEIGHT, ASPECT_STD),
            mixed + velocity_variance,
            velocity_variance + _variances(heights, VELOCITY_WEIGHT, ASPECT_VELOCITY_STD),
        ],
        axis=1,
    )
    return KalmanState(state.means + state.velocities, state.velocities, covariances)


def correct(state: KalmanState, measured: Floats) -> KalmanState:
    """Correct every estimate by its measurement (n, 4)."""
    variance, mixed, velocity_variance = np.moveaxis(state.covariances, 1, 0)
    noise = _variances(state.means[:, HEIGHT], POSITION_WEIGHT, ASPECT_MEASURED_STD)
    gain, velocity_gain = variance / (variance + noise), mixed / (variance + noise)
    innovation = measured - state.means
    covariances = np.stack(
        [variance - gain * variance, mixed - gain * mixed, velocity_variance - velocity_gain * mixed], axis=1
    )
    return KalmanState(state.means + gain * innovation, state.velocities + velocity_gain * innovation, covariances)


def transform(state: KalmanState, similarity: Floats) -> KalmanState:
    """Move every estimate with the camera.

    Args:
        state: The estimates in pixels of the previous frame.
        similarity: (2, 3); rotation times scale, and shift, from pixels of the previous frame to pixels of this one.

    Returns:
        The estimates in pixels of this frame. The aspect ratio stays: an upright box has none for a turned object.
        The variances of x and y are equal at all times (same noise, same updates), so a rotation leaves them as they
        are and only the scale changes them.
    """
    turn, shift = similarity[:, :2], similarity[:, 2]
    scale = float(np.sqrt(abs(np.linalg.det(turn))))
    factors = np.array([scale, scale, 1.0, scale])
    means, velocities = state.means * factors, state.velocities * factors
    means[:, :2] = state.means[:, :2] @ turn.T + shift
    velocities[:, :2] = state.velocities[:, :2] @ turn.T
    return KalmanState(means, velocities, state.covariances * factors**2)


def _variances(heights: Floats, weight: float, aspect_std: float) -> Floats:
    """Return variances (n, 4) of noise in proportion to the heights (n,), but constant for the aspect ratio."""
    variances = np.repeat(np.square(weight * heights)[:, None], 4, axis=1)
    variances[:, ASPECT] = aspect_std**2
    return np.asarray(variances, np.float64)
