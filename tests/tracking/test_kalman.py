from __future__ import annotations

import numpy as np

from edgekit.tracking.kalman import KalmanState, correct, initiate, measurements, predict, to_xyxy, transform

BOXES = np.array([[10, 20, 30, 60], [100, 40, 180, 80], [5, 5, 9, 205]], np.float32)


class PlainFilter:
    """The same filter of one box by the textbook: eight dimensions, full matrices."""

    F = np.eye(8) + np.diag(np.ones(4), 4)
    H = np.eye(4, 8)

    def __init__(self, z: np.ndarray) -> None:
        self.x = np.concatenate([z, np.zeros(4)])
        p, v = z[3] / 10, z[3] / 16
        self.P = np.diag(np.square([p, p, 1e-2, p, v, v, 1e-5, v]))

    def predict(self) -> None:
        p, v = self.x[3] / 20, self.x[3] / 160
        self.P = self.F @ self.P @ self.F.T + np.diag(np.square([p, p, 1e-2, p, v, v, 1e-5, v]))
        self.x = self.F @ self.x

    def correct(self, z: np.ndarray) -> None:
        p = self.x[3] / 20
        S = self.H @ self.P @ self.H.T + np.diag(np.square([p, p, 1e-1, p]))
        K = self.P @ self.H.T @ np.linalg.inv(S)
        self.x = self.x + K @ (z - self.H @ self.x)
        self.P = self.P - K @ S @ K.T


def assert_same(state: KalmanState, plain: list[PlainFilter]) -> None:
    for row, one in enumerate(plain):
        np.testing.assert_allclose(np.concatenate([state.means[row], state.velocities[row]]), one.x, rtol=1e-9)
        variance, mixed, velocity = state.covariances[row]
        full = np.zeros((8, 8))
        full[:4, :4], full[4:, 4:] = np.diag(variance), np.diag(velocity)
        full[:4, 4:] = full[4:, :4] = np.diag(mixed)
        np.testing.assert_allclose(full, one.P, rtol=1e-9, atol=1e-12)


def test_four_small_filters_are_the_large_one() -> None:
    rng = np.random.default_rng(0)
    state = initiate(measurements(BOXES))
    plain = [PlainFilter(z) for z in measurements(BOXES)]
    for _ in range(30):
        state = predict(state)
        for one in plain:
            one.predict()
        if rng.random() < 0.7:
            z = measurements(BOXES + rng.normal(0, 0.8, BOXES.shape).astype(np.float32))
            state = correct(state, z)
            for one, value in zip(plain, z, strict=True):
                one.correct(value)
        assert_same(state, plain)


def test_a_measurement_and_its_box() -> None:
    expected = np.array([[20, 40, 0.5, 40], [140, 60, 2, 40]])
    np.testing.assert_allclose(measurements(BOXES)[:2], expected)
    np.testing.assert_allclose(to_xyxy(initiate(measurements(BOXES))), BOXES, atol=1e-4)
    empty = initiate(measurements(np.zeros((0, 4), np.float32)))
    assert to_xyxy(correct(predict(empty), np.zeros((0, 4)))).shape == (0, 4)


def test_a_steady_motion_is_learned() -> None:
    state = initiate(measurements(BOXES))
    for step in range(1, 40):
        state = correct(predict(state), measurements(BOXES + np.array([3, -2, 3, -2], np.float32) * step))
    np.testing.assert_allclose(state.velocities[:, :2], [[3, -2]] * 3, atol=0.15)
    after = to_xyxy(predict(state)) - BOXES
    np.testing.assert_allclose(after, [np.array([3, -2, 3, -2]) * 40] * 3, atol=1.5)


def test_the_camera_turns_zooms_and_shifts_every_estimate() -> None:
    state = correct(predict(initiate(measurements(BOXES))), measurements(BOXES + 1))
    cos, sin = 2 * np.cos(0.3), 2 * np.sin(0.3)  # twice as large
    moved = transform(state, np.array([[cos, -sin, 7], [sin, cos, -4]]))
    turn = np.array([[cos, -sin], [sin, cos]])
    np.testing.assert_allclose(moved.means[:, :2], state.means[:, :2] @ turn.T + [7, -4])
    np.testing.assert_allclose(moved.velocities[:, :2], state.velocities[:, :2] @ turn.T)
    np.testing.assert_allclose(moved.means[:, 2:], state.means[:, 2:] * [1, 2])
    full = np.diag(state.covariances[0, 0, :2])
    np.testing.assert_allclose(np.diag(moved.covariances[0, 0, :2]), turn @ full @ turn.T, atol=1e-12)
    same = transform(state, np.eye(2, 3))
    np.testing.assert_allclose(same.means, state.means)
    np.testing.assert_allclose(same.covariances, state.covariances)
