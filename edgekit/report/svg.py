"""The parts of the page's plots: a frame with its scales, grids, bands and dots as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = [
    "BOTTOM",
    "LEFT",
    "RIGHT",
    "TOP",
    "PlotArea",
    "draw",
    "draw_bands",
    "draw_dot",
    "draw_grid",
    "draw_tick",
    "fitted_name",
]

LEFT, RIGHT, TOP, BOTTOM = 48, 12, 14, 34


@dataclass(frozen=True, slots=True)
class PlotArea:
    """A plot area of `width` x `height` units whose x runs over 0..count-1 and y over low..high."""

    width: int
    height: int
    count: int
    low: float
    high: float

    def x(self, index: float) -> float:
        """Horizontal position of the point `index`, in pixels."""
        return LEFT + (self.width - LEFT - RIGHT) * index / max(self.count - 1, 1)

    def y(self, value: float) -> float:
        """Vertical position of `value`, in pixels."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return TOP + (self.height - TOP - BOTTOM) * (1 - share)


def draw(frame: PlotArea, title: str, parts: Sequence[str]) -> str:
    """Return the drawing as an SVG element; `title` is what a screen reader says."""
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(title)}">'
        + "".join(parts)
        + "</svg>"
    )


def draw_grid(frame: PlotArea, ticks: Sequence[tuple[float, str]]) -> str:
    """Draw horizontal lines at (value, label)."""
    lines = []
    for value, label in ticks:
        y = frame.y(value)
        lines.append(
            f'<line class="grid" x1="{LEFT}" x2="{frame.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            + draw_tick(LEFT - 6, y + 4, label, "end")
        )
    return "".join(lines)


def draw_bands(frame: PlotArea, blocks: Sequence[str]) -> str:
    """A shade behind every second block and its name below, where there is room for it."""
    parts, start, shade = [], 0, False
    for i in range(1, len(blocks) + 1):
        if i < len(blocks) and blocks[i] == blocks[start]:
            continue
        x0, x1 = frame.x(start - 0.5) if start else LEFT, frame.x(min(i - 0.5, len(blocks) - 1))
        if shade:
            parts.append(
                f'<rect class="band" x="{x0:.1f}" y="{TOP}" width="{x1 - x0:.1f}" '
                f'height="{frame.height - TOP - BOTTOM}"/>'
            )
        name = blocks[start].removeprefix("model.")
        if x1 - x0 > 8 * len(name):
            parts.append(draw_tick((x0 + x1) / 2, frame.height - 14, name, "middle"))
        start, shade = i, not shade
    return "".join(parts)


def draw_dot(x: float, y: float, kind: str, text: str) -> str:
    """Draw a dot of a style class, with its words for the pointer."""
    radius = {"fall": 5, "cpu": 4.5, "int16": 4.5}.get(kind, 2.2)
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"><title>{escape(text)}</title></circle>'


def draw_tick(x: float, y: float, text: str, anchor: str) -> str:
    """Write a word at an axis; `anchor` is start, middle or end."""
    return f'<text class="tick" text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def fitted_name(name: str, limit: int) -> str:
    """Return the end of a name that is longer than `limit` characters."""
    return name if len(name) <= limit else "…" + name[-limit:]
