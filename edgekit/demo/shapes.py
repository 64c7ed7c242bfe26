"""The objects that the demo model knows, each painted by a function of its own coordinates.

A painter takes `u`, `v` (h, w) float32, the position of each sample in the object's own frame (the object fills -1..1),
and a `Style`; it returns `inside` (h, w) bool and `rgb` (h, w, 3) float32 in 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgekit.demo.rng import Rng, turn
from edgekit.demo.texture import smoothstep

Rgb = tuple[float, float, float]
Painted = tuple[np.ndarray, np.ndarray]
AMBIENT = 0.42


@dataclass(frozen=True, slots=True)
class Style:
    """How an object looks: two colours, where the light comes from, gloss, and four free numbers in 0..1."""

    base: Rgb
    accent: Rgb
    light: tuple[float, float, float]  # unit vector in the object's frame, z towards the viewer
    gloss: float
    shape: tuple[float, float, float, float]


def paint_ball(u: np.ndarray, v: np.ndarray, style: Style) -> Painted:
    """Paint a sphere: plain, with a band, or with stripes."""
    square = u * u + v * v
    height = np.sqrt(np.maximum(1 - square, 0))
    pattern = style.shape[0]
    if pattern < 0.3:
        marked = np.zeros(u.shape, bool)
    elif pattern < 0.65:
        marked = np.abs(v + 0.35 * height - 0.2) < 0.12 + 0.15 * style.shape[1]
    else:
        stripes = 2 + 2 * style.shape[1]
        marked = np.mod(u * (1.6 - 0.6 * height) * stripes, 1.0) < 0.5
    return square < 1, _lit(_two_tone(marked, style), u, v, height, style)


def paint_ring(u: np.ndarray, v: np.ndarray, style: Style) -> Painted:
    """Paint a torus seen from above, the background showing through its hole."""
    half_width = 0.15 + 0.14 * style.shape[0]
    radius = np.sqrt(u * u + v * v) + 1e-6
    across = (radius - (1 - half_width)) / half_width
    height = np.sqrt(np.maximum(1 - across * across, 0))
    marked = (np.abs(across) < 0.3) if style.shape[1] < 0.35 else (u * style.shape[2] > 0.45 + v)
    rgb = _lit(_two_tone(marked, style), u / radius * across, v / radius * across, height, style)
    return np.abs(across) < 1, rgb


def paint_star(u: np.ndarray, v: np.ndarray, style: Style) -> Painted:
    """Paint a star of five or six arms folded along their ridges, each facet lit by its own slope."""
    points = 10 if style.shape[0] < 0.7 else 12
    inner = 0.38 + 0.14 * style.shape[1]
    rise = 0.3 + 0.3 * style.shape[2]
    corners = [_on_circle(k / points, inner if k % 2 else 1.0) for k in range(points)]
    inside, rim = np.zeros(u.shape, bool), np.zeros(u.shape, bool)
    shade = np.zeros(u.shape, np.float32)
    for k, (ax, ay) in enumerate(corners):
        bx, by = corners[(k + 1) % points]
        area = ax * by - ay * bx
        to_a, to_b = (u * by - v * bx) / area, (ax * v - ay * u) / area  # barycentric, from the centre
        outward = to_a + to_b
        facet = (to_a >= 0) & (to_b >= 0) & (outward < 1)
        shade[facet] = 0.12 + _facing((rise * (by - ay) / area, rise * (ax - bx) / area, 1.0), style)
        inside |= facet
        rim |= facet & (outward > 0.82)
    return inside, _two_tone(rim, style) * shade[..., None]


def paint_leaf(u: np.ndarray, v: np.ndarray, style: Style) -> Painted:
    """Paint a pointed blade along u with a stem, a midrib and slanting veins."""
    along = (u + 0.68) / 1.68
    width = (0.34 + 0.22 * style.shape[0]) * 4 * along * (1 - along) * (1.25 - 0.5 * along)
    if style.shape[1] > 0.5:
        width = width * (0.94 + 0.12 * np.abs(np.mod(u * 7, 1.0) * 2 - 1))
    curve = v - (style.shape[2] - 0.5) * 0.3 * u * u
    blade = (along > 0) & (along < 1) & (np.abs(curve) < width)
    stem = (u > -1) & (along <= 0.05) & (np.abs(curve) < 0.045)
    rib = np.abs(curve) < 0.035 * (1.2 - along)
    vein = np.mod(u * 4.2 - np.abs(curve) * 3.4, 1.0) < 0.13
    tint = np.where((rib | vein | stem)[..., None], style.accent, style.base).astype(np.float32)
    tilt = 0.18 + 0.27 * style.shape[3]
    sides = [_facing((0.0, slope, 1.0), style) for slope in (tilt, -tilt)]
    shade = np.where(curve > 0, *sides).astype(np.float32) + 0.1 - 0.12 * np.abs(curve) / np.maximum(width, 0.05)
    return blade | stem, tint * np.clip(shade, 0.15, 1.3)[..., None]


def paint_bottle(u: np.ndarray, v: np.ndarray, style: Style) -> Painted:
    """Paint a bottle standing along v: cap, neck, shoulder, and a body with a label."""
    body, neck = 0.3 + 0.1 * style.shape[0], 0.1 + 0.04 * style.shape[1]
    shoulder = -0.5 + 0.15 * style.shape[2]
    half = neck + (body - neck) * smoothstep((v - shoulder) / 0.28)
    half = np.where(v < -0.84, neck + 0.03, half)
    half = np.maximum(half - 0.5 * np.maximum(v - 0.9, 0), 0.02)
    across = np.clip(u / half, -1, 1)
    height = np.sqrt(1 - across * across)
    label = (v > 0.05) & (v < 0.55) & (style.shape[3] > 0.25)
    marked = label | (v < -0.84)
    rgb = _lit(_two_tone(marked, style), across, 0 * v, height, style)
    streak = (np.abs(across + 0.45) < 0.1) & (v > shoulder) & ~label
    rgb = rgb + 0.5 * style.gloss * streak[..., None]
    return (np.abs(u) < half) & (v > -1) & (v < 1), rgb


def paint_mug(u: np.ndarray, v: np.ndarray, style: Style) -> Painted:
    """Paint a mug with its handle at +u, the background showing between handle and body."""
    body, shift = 0.56 + 0.08 * style.shape[0], 0.24
    s = (u + shift) / (body * (1 - 0.08 * style.shape[1] * (v + 0.7)))
    bulge = 0.16 * np.sqrt(np.maximum(1 - s * s, 0))
    opening = v + 0.72
    inside_body = (np.abs(s) < 1) & (opening > -bulge) & (v < 0.78 + bulge)
    reach_u, reach_v = (u - (body - shift) + 0.03) / 0.62, (v - 0.02) / 0.5
    handle_r = np.sqrt(reach_u * reach_u + reach_v * reach_v)
    handle = (np.abs(handle_r - 0.82) < 0.18) & (u > body - shift - 0.05) & ~inside_body
    across = np.clip(s, -1, 1)
    marked = (np.abs(v - 0.05) < 0.18) if style.shape[2] < 0.5 else (np.abs(s) < 0.4) & (np.abs(v) < 0.35)
    rgb = _lit(_two_tone(marked & inside_body, style), across, 0 * v, np.sqrt(1 - across * across), style)
    bend = (handle_r - 0.82) / 0.18
    round_handle = _lit(_two_tone(handle & False, style), bend, 0 * v, 1 - 0.5 * bend * bend, style)
    rgb = np.where(handle[..., None], round_handle, rgb)
    hollow = inside_body & (np.abs(opening) < 0.8 * bulge)
    return inside_body | handle, rgb * np.where(hollow, 0.4, 1.0).astype(np.float32)[..., None]


def paint_clutter(u: np.ndarray, v: np.ndarray, style: Style) -> Painted:
    """Paint what the model must ignore: a box, a stick, a triangle or a cross."""
    kind, slim = style.shape[0], 0.2 + 0.7 * style.shape[1]
    box = (np.abs(u) < 0.9) & (np.abs(v) < slim)
    if kind < 0.4:
        inside, marked = box, np.abs(v) > slim - 0.12
    elif kind < 0.6:
        inside, marked = (np.abs(u) < 1) & (np.abs(v) < 0.07), u > 0.7
    elif kind < 0.8:
        inside, marked = (v < 0.8) & (np.abs(u) < (v + 1) * 0.5), v > 0.6
    else:
        bar = 0.16 + 0.1 * slim
        inside = ((np.abs(u) < bar) | (np.abs(v) < bar)) & (np.abs(u) < 1) & (np.abs(v) < 1)
        marked = np.abs(u) + np.abs(v) < 0.3
    rgb = _two_tone(marked, style) * (0.75 + 0.2 * (u * style.light[0] + v * style.light[1]))[..., None]
    return inside, rgb


# The class id is the index in this table.
PAINTERS: dict[str, Callable[[np.ndarray, np.ndarray, Style], Painted]] = {
    "ball": paint_ball,
    "bottle": paint_bottle,
    "leaf": paint_leaf,
    "mug": paint_mug,
    "ring": paint_ring,
    "star": paint_star,
}
CLASS_NAMES = tuple(PAINTERS)
STANDING = ("bottle", "mug")  # mostly upright, as gravity has it
LEAF_COLORS: tuple[Rgb, ...] = ((0.3, 0.6, 0.2), (0.55, 0.65, 0.15), (0.75, 0.5, 0.15), (0.7, 0.25, 0.15))


def make_style(rng: Rng, name: str, light_xyz: tuple[float, float, float], angle: float) -> Style:
    """Return a random look for an object turned by `angle`, lit from `light_xyz` in the image's frame."""
    cos, sin = turn(angle)
    x, y, z = light_xyz
    base = jitter(rng, rng.pick(LEAF_COLORS)) if name == "leaf" else random_color(rng)
    accent = jitter(rng, tuple(0.4 + 0.6 * c for c in base)) if name == "leaf" else random_color(rng)
    shape = (rng.between(0, 1), rng.between(0, 1), rng.between(0, 1), rng.between(0, 1))
    return Style(base, accent, (cos * x + sin * y, cos * y - sin * x, z), rng.between(0, 0.8), shape)


def random_color(rng: Rng, *, most_vivid: float = 0.9) -> Rgb:
    """Return a colour between grey and vivid, rarely near black."""
    grey, vivid = rng.between(0.15, 0.95), rng.between(0.1, most_vivid)
    mixed = [grey * (1 - vivid) + rng.between(0.05, 1) * vivid for _ in range(3)]
    return mixed[0], mixed[1], mixed[2]


def jitter(rng: Rng, color: tuple[float, ...], amount: float = 0.12) -> Rgb:
    """Return the colour, moved a little."""
    moved = [min(max(c + rng.between(-amount, amount), 0.02), 1.0) for c in color]
    return moved[0], moved[1], moved[2]


def _on_circle(part: float, radius: float) -> tuple[float, float]:
    cos, sin = turn(2 * math.pi * part)
    return radius * sin, -radius * cos


def _two_tone(marked: np.ndarray, style: Style) -> np.ndarray:
    return np.where(marked[..., None], style.accent, style.base).astype(np.float32)


def _lit(rgb: np.ndarray, nu: np.ndarray, nv: np.ndarray, nz: np.ndarray, style: Style) -> np.ndarray:
    """Diffuse light and a highlight on a surface with unit normals (nu, nv, nz)."""
    x, y, z = style.light
    facing = np.maximum(nu * x + nv * y + nz * z, 0)
    fourth = facing * facing * facing * facing
    sheen = fourth * fourth * fourth * style.gloss * 0.6
    return np.asarray(rgb * (AMBIENT + 0.75 * facing)[..., None] + sheen[..., None], np.float32)


def _facing(slope_xyz: tuple[float, float, float], style: Style) -> float:
    """Diffuse light on a plane with this (not yet unit) normal."""
    (nu, nv, nz), (x, y, z) = slope_xyz, style.light  # spelled out: sum() rounds differently from Python 3.12
    toward = (nu * x + nv * y + nz * z) / math.sqrt(nu * nu + nv * nv + nz * nz)
    return AMBIENT + 0.75 * max(toward, 0.0)
