"""Generated images of known objects, made from a seed, with their true classes, masks and boxes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgekit.demo.backgrounds import paint_background
from edgekit.demo.rng import Rng, turn
from edgekit.demo.shapes import (
    CLASS_NAMES,
    PAINTERS,
    STANDING,
    Painted,
    Style,
    make_style,
    paint_clutter,
)
from edgekit.demo.texture import box_blur, grain
from edgekit.errors import ConfigError

MIN_SIDE, MAX_SIDE = 32, 4096
SAMPLES = 2  # per pixel and direction, so that edges are smooth
MIN_VISIBLE = 0.45  # of an object's own area; objects hidden more are not painted
MIN_AREA = 40.0  # pixels of an object that must be visible, in an image of REFERENCE_SIDE
REFERENCE_SIDE = 288
RADII = (0.05, 0.36)  # of the shorter side
MAX_OBJECTS = 7


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One object in an image: class, visible pixels (H, W) bool, and their box in pixels (right, bottom open)."""

    class_id: int
    mask: np.ndarray
    box_xyxy: tuple[int, int, int, int]

    @property
    def name(self) -> str:
        """Name of its class."""
        return CLASS_NAMES[self.class_id]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An image (H, W, 3) uint8 BGR and the objects in it, from back to front."""

    bgr: np.ndarray
    instances: tuple[Instance, ...]

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.bgr.shape[1], self.bgr.shape[0]


@dataclass(frozen=True, slots=True)
class Pose:
    """Where an object lies: centre and radii in pixels, turned by `angle` radians."""

    center_xy: tuple[float, float]
    radii_uv: tuple[float, float]
    angle: float


def render_image(seed: int, size_wh: tuple[int, int]) -> Scene:
    """Render an image; the same bytes on every machine.

    Args:
        seed: 0 or more.
        size_wh: Sides of 32..4096 pixels.

    Returns:
        The image and its objects.

    Raises:
        ConfigError: If seed or size are out of range.
    """
    _check(seed, size_wh)
    rng = Rng(seed)
    canvas = paint_background(rng, size_wh)
    cos, sin = turn(rng.between(0, 2 * math.pi))
    light = (0.6 * cos, 0.6 * sin, 0.8)
    owner = np.zeros(canvas.shape[:2], np.uint8)  # 0 nothing, n the n-th object
    classes: list[int] = []
    areas: list[int] = []
    for _ in range(rng.integer(0, 3)):
        _paint_clutter(rng, canvas, light)
    for _ in range(rng.integer(1, MAX_OBJECTS)):
        class_id = rng.integer(0, len(CLASS_NAMES) - 1)
        if area := _paint_object(rng, canvas, owner, areas, light, CLASS_NAMES[class_id]):
            classes.append(class_id)
            areas.append(area)
    return Scene(_develop(rng, canvas), _instances(owner, classes))


def _check(seed: int, size_wh: tuple[int, int]) -> None:
    if min(size_wh) < MIN_SIDE or max(size_wh) > MAX_SIDE:
        raise ConfigError(
            f"image size is {size_wh[0]}x{size_wh[1]}, expected sides of {MIN_SIDE}..{MAX_SIDE} pixels",
            hint="choose a size within these limits",
        )
    if seed < 0:
        raise ConfigError(f"seed is {seed}, expected 0 or more", hint="choose another seed")


def _paint_object(
    rng: Rng,
    canvas: np.ndarray,
    owner: np.ndarray,
    areas: list[int],
    light: tuple[float, float, float],
    name: str,
) -> int:
    """Paint an object into `canvas` and `owner`; return its area, 0 if no position fits."""
    least = MIN_AREA * (min(owner.shape) / REFERENCE_SIDE) ** 2
    for _ in range(4):
        pose = _pose(rng, owner.shape, upright=name in STANDING and rng.chance(0.75))
        style = make_style(rng, name, light, pose.angle)
        window, alpha, rgb = _sample(pose, owner.shape, PAINTERS[name], style)
        solid = alpha >= 0.5
        area = int(np.count_nonzero(solid))
        if area >= least and not _hides(owner, window, solid, areas):
            _cast_shadow(rng, canvas, window, alpha, light)
            _blend(canvas, window, alpha, rgb)
            owner[window][solid] = len(areas) + 1
            return area
    return 0


def _paint_clutter(rng: Rng, canvas: np.ndarray, light: tuple[float, float, float]) -> None:
    pose = _pose(rng, canvas.shape[:2], upright=False)
    style = make_style(rng, "clutter", light, pose.angle)
    window, alpha, rgb = _sample(pose, canvas.shape[:2], paint_clutter, style)
    _cast_shadow(rng, canvas, window, alpha, light)
    _blend(canvas, window, alpha, rgb)


def _pose(rng: Rng, shape_hw: tuple[int, ...], *, upright: bool) -> Pose:
    """Return a random position, size and turn; up to a quarter of the object may leave the image."""
    height, width = shape_hw[:2]
    radius = rng.log_between(*RADII) * min(width, height)
    margin = min(0.5 * radius, min(width, height) / 3)
    center = rng.between(margin, width - margin), rng.between(margin, height - margin)
    angle = rng.between(-0.35, 0.35) if upright else rng.between(0, 2 * math.pi)
    return Pose(center, (radius * rng.between(0.85, 1.15), radius), angle)


def _sample(
    pose: Pose, shape_hw: tuple[int, ...], paint: Callable[[np.ndarray, np.ndarray, Style], Painted], style: Style
) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """Paint an object in its window of the image: coverage (h, w) in 0..1 and colour (h, w, 3)."""
    window = _window(pose, shape_hw)
    cos, sin = turn(pose.angle)
    dx = _samples(window[1], pose.center_xy[0])[None]
    dy = _samples(window[0], pose.center_xy[1])[:, None]
    u = (cos * dx + sin * dy) / pose.radii_uv[0]
    v = (cos * dy - sin * dx) / pose.radii_uv[1]
    inside, rgb = paint(u, v, style)
    weight = inside.astype(np.float32)
    alpha = _pool(weight)
    rgb = _pool(rgb.astype(np.float32) * weight[..., None])
    return window, alpha / SAMPLES**2, rgb / np.maximum(alpha, 1)[..., None]


def _window(pose: Pose, shape_hw: tuple[int, ...]) -> tuple[slice, slice]:
    reach = 1.42 * max(pose.radii_uv)
    limits = []
    for center, length in zip(reversed(pose.center_xy), shape_hw[:2], strict=True):
        start = min(max(math.floor(center - reach), 0), length - 1)
        limits.append(slice(start, max(min(math.ceil(center + reach), length), start + 1)))
    return limits[0], limits[1]


def _samples(part: slice, center: float) -> np.ndarray:
    count = (part.stop - part.start) * SAMPLES
    return np.asarray((np.arange(count, dtype=np.float32) + 0.5) / SAMPLES + (part.start - center), np.float32)


def _pool(samples: np.ndarray) -> np.ndarray:
    """Sums each square of SAMPLES x SAMPLES, in a fixed order."""
    rows: np.ndarray = samples[0::2] + samples[1::2]
    pooled: np.ndarray = rows[:, 0::2] + rows[:, 1::2]
    return pooled


def _hides(owner: np.ndarray, window: tuple[slice, slice], solid: np.ndarray, areas: list[int]) -> bool:
    """Return whether painting `solid` would hide too much of an object painted before."""
    if not areas:
        return False
    after = owner.copy()
    after[window][solid] = 0
    visible = np.bincount(after.ravel(), minlength=len(areas) + 1)[1:]
    return any(count < MIN_VISIBLE * area for count, area in zip(visible, areas, strict=True))


def _cast_shadow(
    rng: Rng,
    canvas: np.ndarray,
    window: tuple[slice, slice],
    alpha: np.ndarray,
    light: tuple[float, float, float],
) -> None:
    """Darkens the canvas on the side away from the light."""
    depth, strength = rng.between(0.02, 0.12), rng.between(0, 0.55)
    size = max(alpha.shape)
    shift_y, shift_x = round(-light[1] * depth * size), round(-light[0] * depth * size)
    shadow = box_blur(_moved(alpha, shift_y, shift_x), min(max(round(depth * size * 0.5), 1), 6))
    canvas[window] *= (1 - strength * shadow)[..., None]


def _moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    moved = np.zeros_like(image)
    height, width = image.shape
    to_y, from_y = slice(max(down, 0), height + min(down, 0)), slice(max(-down, 0), height - max(down, 0))
    to_x, from_x = slice(max(right, 0), width + min(right, 0)), slice(max(-right, 0), width - max(right, 0))
    moved[to_y, to_x] = image[from_y, from_x]
    return moved


def _blend(canvas: np.ndarray, window: tuple[slice, slice], alpha: np.ndarray, rgb: np.ndarray) -> None:
    canvas[window] = canvas[window] * (1 - alpha[..., None]) + rgb * alpha[..., None]


def _develop(rng: Rng, canvas: np.ndarray) -> np.ndarray:
    """The camera: uneven light, white balance, exposure, lens blur, sensor noise, 8 bits."""
    height, width = canvas.shape[:2]
    x = (np.arange(width, dtype=np.float32)[None] + 0.5) / width - 0.5
    y = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height - 0.5
    falloff = 1 + rng.between(-0.4, 0.4) * x + rng.between(-0.4, 0.4) * y
    falloff = falloff - rng.between(0, 0.8) * (x * x + y * y)
    exposure = rng.between(0.65, 1.2)
    balance = [exposure * rng.between(0.88, 1.12) for _ in range(3)]
    image = canvas * falloff[..., None] * np.asarray(balance, np.float32)
    for _ in range(rng.pick((0, 0, 1, 1, 2))):
        image = box_blur(image, 1)
    image = image + grain(rng, image.shape) * rng.between(0.002, 0.035)
    rgb = np.clip(np.floor(image * 255 + 0.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(rgb[..., ::-1])


def _instances(owner: np.ndarray, classes: list[int]) -> tuple[Instance, ...]:
    instances = []
    for index, class_id in enumerate(classes, start=1):
        mask = owner == index
        columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        instances.append(Instance(class_id, mask, box))
    return tuple(instances)
