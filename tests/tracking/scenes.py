"""Made-up scenes: objects that move, meet and hide each other, and what a detector would report of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.boxes import box_area, box_iou

WIDTH, HEIGHT = 960, 540


@dataclass(frozen=True)
class SceneFrame:
    """A detector's columns, and the truth: boxes and ids of all objects in the image, hidden or not."""

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    true_boxes: np.ndarray
    true_ids: np.ndarray


@dataclass(frozen=True)
class Detector:
    """How good the made-up detector is."""

    jitter: float = 0.02  # of a box's side
    missed: float = 0.02  # of the objects that are in full view
    invented: float = 0.1  # false detections per frame


def crossing_scene(
    seed: int, *, count: int = 8, frames: int = 120, detector: Detector = Detector()
) -> list[SceneFrame]:
    """Objects on smooth paths through the image; the nearer ones hide the farther ones."""
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(50, 110, (count, 1)) * np.column_stack([rng.uniform(0.4, 1.2, count), np.ones(count)])
    start = rng.uniform([0, 0], [WIDTH, HEIGHT], (count, 2))
    speed = rng.uniform(-6, 6, (count, 2))
    phase, sway = rng.uniform(0, 6.28, count), rng.uniform(0, 25, count)
    classes = rng.integers(0, 3, count)
    first = rng.integers(0, max(1, frames // 3), count) * (rng.random(count) < 0.5)
    scene = []
    for frame in range(frames):
        centres = _bounced(start + speed * frame, (WIDTH, HEIGHT))
        centres[:, 1] += sway * np.sin(frame / 15 + phase)
        present = np.flatnonzero(frame >= first)
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)[present].astype(np.float32)
        scene.append(_detected(boxes, present, classes, detector, rng))
    return scene


def _bounced(places: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """Places folded back at the image's edges."""
    span = np.asarray(size_wh, float)
    return span - np.abs(np.mod(places, 2 * span) - span)


def _detected(
    boxes: np.ndarray, ids: np.ndarray, classes: np.ndarray, detector: Detector, rng: np.random.Generator
) -> SceneFrame:
    """What a detector reports: the less of an object is seen, the lower it scores, and hidden ones are missed."""
    visible = 1 - _hidden(boxes)
    scores = np.clip(visible * rng.uniform(0.85, 0.98, len(boxes)), 0, 1)
    found = (visible > 0.25) & (rng.random(len(boxes)) >= detector.missed)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    shaken = boxes + rng.normal(0, detector.jitter, boxes.shape) * sides
    reported = [(shaken[i], scores[i], classes[ids[i]]) for i in np.flatnonzero(found)]
    for _ in range(rng.poisson(detector.invented)):
        corner = rng.uniform([0, 0], [WIDTH - 80, HEIGHT - 80])
        reported.append((np.concatenate([corner, corner + rng.uniform(20, 80, 2)]), rng.uniform(0.1, 0.5), 0))
    order = rng.permutation(len(reported))
    return SceneFrame(
        np.array([reported[i][0] for i in order], np.float32).reshape(-1, 4),
        np.array([reported[i][1] for i in order], np.float32),
        np.array([reported[i][2] for i in order], np.int32),
        boxes,
        ids + 1,
    )


def _hidden(boxes: np.ndarray) -> np.ndarray:
    """The share (n,) of each box that the one nearer object that covers it most takes; later rows are nearer."""
    areas = box_area(boxes)
    overlaps = box_iou(boxes, boxes)
    shared = overlaps * (areas[:, None] + areas) / (1 + overlaps)
    nearer = np.triu(np.ones((len(boxes), len(boxes)), bool), 1)
    return np.asarray((shared / areas[:, None] * nearer).max(axis=1, initial=0))
