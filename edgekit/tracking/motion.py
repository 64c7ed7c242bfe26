"""Camera motion between two frames, from the optical flow of the background: what tracks are moved by."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["MotionReference", "estimate_motion", "motion_reference"]

LONG_SIDE = 480  # the flow of a large frame is measured on a smaller one: 2 ms, and as exact as tracks need
CORNERS, CORNER_QUALITY, CORNER_DISTANCE = 200, 0.01, 8
FLOW_WINDOW, FLOW_LEVELS = (21, 21), 3
REPROJECTION_PIXELS = 1.5  # of the smaller frame
LEAST_INLIERS, LEAST_SHARE = 12, 0.4  # with fewer the corners do not agree on one motion
SCALE_LIMITS = (0.7, 1.4)  # between two frames no camera zooms more

Bgr = npt.NDArray[np.uint8]
Similarity = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MotionReference:
    """What the next frame is compared with.

    Attributes:
        gray: (h, w) uint8; the frame at the size that flow is measured at.
        corners_xy: (n, 1, 2) float32; corners of the background in `gray`.
        size_wh: The size of the frame itself.
    """

    gray: Bgr
    corners_xy: npt.NDArray[np.float32]
    size_wh: tuple[int, int]


def motion_reference(bgr: Bgr, boxes_xyxy: npt.NDArray[np.float32]) -> MotionReference:
    """Find the corners that the camera's motion will be measured by.

    Args:
        bgr: (h, w, 3) uint8, the frame.
        boxes_xyxy: (n, 4) float32, pixels; the objects in it, which move by themselves and are left out.
    """
    gray = _shrunk(bgr)
    size_wh = (bgr.shape[1], bgr.shape[0])
    background = np.full(gray.shape, 255, np.uint8)
    scale = gray.shape[1] / size_wh[0], gray.shape[0] / size_wh[1]
    limits = np.array([gray.shape[1], gray.shape[0]] * 2)
    for left, top, right, bottom in np.clip(np.nan_to_num(boxes_xyxy * np.tile(scale, 2)), 0, limits).astype(int):
        background[top : bottom + 1, left : right + 1] = 0
    corners = cv2.goodFeaturesToTrack(gray, CORNERS, CORNER_QUALITY, CORNER_DISTANCE, mask=background)
    none = np.zeros((0, 1, 2), np.float32)
    return MotionReference(gray, none if corners is None else corners.astype(np.float32).reshape(-1, 1, 2), size_wh)


def estimate_motion(reference: MotionReference | None, bgr: Bgr) -> Similarity | None:
    """Estimate how the image moved since the reference: sparse optical flow, and RANSAC against what moves alone.

    Args:
        reference: The frame before (`motion_reference`); None before the first.
        bgr: (h, w, 3) uint8, this frame.

    Returns:
        (2, 3) float64, rotation times scale and shift, from pixels of the frame before to pixels of this one, as
        `bytetrack.update` takes it; None where it cannot be told: no frame before, another size, too few corners
        that agree.
    """
    if reference is None or reference.size_wh != (bgr.shape[1], bgr.shape[0]):
        return None
    if len(reference.corners_xy) < LEAST_INLIERS:
        return None
    arrived, status, _ = cv2.calcOpticalFlowPyrLK(
        reference.gray,
        _shrunk(bgr),
        reference.corners_xy,
        np.empty_like(reference.corners_xy),
        winSize=FLOW_WINDOW,
        maxLevel=FLOW_LEVELS,
    )
    followed = status.reshape(-1) == 1
    if followed.sum() < LEAST_INLIERS:
        return None
    matrix, inliers = cv2.estimateAffinePartial2D(
        reference.corners_xy[followed],
        arrived[followed],
        method=cv2.RANSAC,
        ransacReprojThreshold=REPROJECTION_PIXELS,
    )
    if matrix is None or inliers.sum() < max(LEAST_INLIERS, LEAST_SHARE * len(reference.corners_xy)):
        return None
    if not SCALE_LIMITS[0] <= float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))) <= SCALE_LIMITS[1]:
        return None
    return _in_frame_pixels(np.asarray(matrix, np.float64), reference)


def _shrunk(bgr: Bgr) -> Bgr:
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    factor = LONG_SIDE / max(gray.shape)
    if factor >= 1:
        return np.asarray(gray, np.uint8)
    size_wh = max(1, round(gray.shape[1] * factor)), max(1, round(gray.shape[0] * factor))
    return np.asarray(cv2.resize(gray, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _in_frame_pixels(similarity: Similarity, reference: MotionReference) -> Similarity:
    """Return a motion of the smaller frame in pixels of the frame; pixel u there is pixel (u + 0.5) * f - 0.5 here."""
    factor = reference.gray.shape[1] / reference.size_wh[0]
    turn, shift = similarity[:, :2], similarity[:, 2]
    corner = np.full(2, 0.5 * factor - 0.5)  # the frame's pixel 0, in the smaller one
    return np.column_stack([turn, (turn @ corner + shift - corner) / factor])
