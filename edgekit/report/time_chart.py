"""Plots of milliseconds: the estimate's time along the graph, and what accuracy costs in time."""

from __future__ import annotations

import math

from edgekit.latency.estimate import MEMORY, Estimate
from edgekit.latency.features import ARRAY, MOVEMENT, VECTOR
from edgekit.logs.sensitivity import FrontPoint
from edgekit.report.graph import block_of
from edgekit.report.svg import LEFT, PlotArea, draw, draw_bands, draw_dot, draw_grid, draw_tick

__all__ = ["COLOURS", "front_chart", "time_chart"]

COLOURS = {ARRAY: "dot", VECTOR: "int16", MOVEMENT: "cpu", MEMORY: "fall"}  # style classes of the page
MAX_LAYERS = 4000
TICKS = 4


def time_chart(estimate: Estimate | None, *, width: int) -> str:
    """Draw what every layer adds to the frame, in the graph's order, coloured by what bounds it.

    Args:
        estimate: The estimate; None draws nothing.
        width: Of the drawing.

    Returns:
        SVG, "" where there is nothing to draw.
    """
    rows = estimate.layers[:MAX_LAYERS] if estimate else ()
    if len(rows) < 2:
        return ""
    top = _ceiling(max(row.frame_us for row in rows))
    frame = PlotArea(width, 260, len(rows), 0.0, top)
    parts = [
        draw_bands(frame, [block_of(row.name).split("/")[0] for row in rows]),
        draw_grid(frame, [(top * i / TICKS, f"{top * i / TICKS:.0f} us") for i in range(TICKS + 1)]),
    ]
    base = frame.y(0.0)
    for index, row in enumerate(rows):
        x, y = frame.x(index), frame.y(row.frame_us)
        text = f"{row.name}: {row.frame_us:.1f} us, {row.op}, {row.bits} bits, bound by the {row.bound}"
        parts.append(f'<line class="stem" x1="{x:.1f}" x2="{x:.1f}" y1="{base:.1f}" y2="{y:.1f}"/>')
        parts.append(draw_dot(x, y, COLOURS[row.bound], text))
    return draw(frame, "Estimated time of every layer, in the graph's order", parts)


def front_chart(points: tuple[FrontPoint, ...], *, width: int) -> str:
    """Draw the settings that tuning tried: the outputs' error over milliseconds, the front joined, the chosen marked.

    Args:
        points: The settings with their milliseconds.
        width: Of the drawing.

    Returns:
        SVG, "" where there are fewer than two.
    """
    if len(points) < 2:
        return ""
    low, high = (pick(point.milliseconds for point in points) for pick in (min, max))
    span = (high - low) or 1.0
    top = _ceiling(max(point.loss for point in points))
    frame = PlotArea(width, 280, 101, 0.0, top)

    def x(milliseconds: float) -> float:
        return frame.x(5 + 90 * (milliseconds - low) / span)

    parts = [draw_grid(frame, [(top * i / TICKS, f"{top * i / TICKS:.2f}") for i in range(TICKS + 1)])]
    front = _pareto(points)
    line = " ".join(f"{x(point.milliseconds):.1f},{frame.y(point.loss):.1f}" for point in front)
    parts.append(f'<polyline class="line" points="{line}"/>')
    for point in points:
        kind = "fall" if point.chosen else "dot"
        text = f"{point.what}: {point.milliseconds:.2f} ms, error {point.loss:.3f}" + (
            ", chosen" if point.chosen else ""
        )
        parts.append(draw_dot(x(point.milliseconds), frame.y(point.loss), kind, text))
    parts += [draw_tick(x(at), frame.height - 14, f"{at:.2f} ms", "middle") for at in sorted({low, high})]
    parts.append(draw_tick(LEFT, 10, "error of the outputs over the untuned build's", "start"))
    return draw(frame, "Error of the outputs over milliseconds of a frame", parts)


def _pareto(points: tuple[FrontPoint, ...]) -> list[FrontPoint]:
    """The points that nothing faster loses less than."""
    front: list[FrontPoint] = []
    for point in sorted(points, key=lambda point: (point.milliseconds, point.loss)):
        if not front or point.loss < front[-1].loss:
            front.append(point)
    return front


def _ceiling(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9))
