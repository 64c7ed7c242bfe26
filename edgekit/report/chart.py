"""The page's plots, drawn as inline SVG: crisp at any size, coloured by the page's own light or dark theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from edgekit.logs.sensitivity import Sensitivity
from edgekit.logs.static_perf import LayerTime, StaticPerf
from edgekit.report.cosine_trace import FALL
from edgekit.report.graph import block_of
from edgekit.report.report import Facts
from edgekit.report.rules import OUTPUT_COSINE_GOOD
from edgekit.report.svg import LEFT, RIGHT, TOP, PlotArea, draw, draw_bands, draw_dot, draw_grid, draw_tick, fitted_name

DESK_WIDTH, PHONE_WIDTH = 1000, 380  # drawing widths for desk and phone; text stays the same size in both
MAX_LAYERS = 24
MAX_POINTS = 4000  # a larger graph is thinned; its falls stay


def cosine_chart(facts: Facts, *, width: int) -> str:
    """The cosine of every node in the graph's order, its blocks below, falls marked; "" without cosines."""
    rows = [row for row in facts.nodes if row.cosine is not None][:MAX_POINTS]
    if len(rows) < 2:
        return ""
    values = [row.cosine or 0.0 for row in rows]
    low = math.floor(min(*values, OUTPUT_COSINE_GOOD - 0.01) * 50) / 50
    frame = PlotArea(width, 320, len(rows), low, 1.0)
    drops = facts.flow.drops if facts.flow else {}
    named = _named_falls(facts)
    parts = [
        draw_bands(frame, [block_of(row.name).split("/")[0] for row in rows]),
        draw_grid(frame, _cosine_ticks(low)),
    ]
    y = frame.y(OUTPUT_COSINE_GOOD)
    parts.append(f'<line class="bound" x1="{LEFT}" x2="{width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    points = " ".join(f"{frame.x(i):.1f},{frame.y(v):.1f}" for i, v in enumerate(values))
    parts.append(f'<polyline class="line" points="{points}"/>')
    for i, row in enumerate(rows):
        fall = drops[row.name].drop if row.name in drops else 0.0
        kind = "fall" if fall >= FALL else "cpu" if row.on == "CPU" else "int16" if "int16" in row.dtype else "dot"
        text = f"{row.name}: {row.cosine:.6f}, {row.type} on {row.on} {row.dtype}" + (
            f", {-fall:+.4f} here" if fall >= FALL else ""
        )
        parts.append(draw_dot(frame.x(i), frame.y(row.cosine or 0.0), kind, text))
        if row.name in named:
            parts.append(_callout(frame, i, row.cosine or 0.0, named[row.name]))
    return draw(frame, "Cosine similarity of every node, in the graph's order", parts)


def _named_falls(facts: Facts) -> dict[str, str]:
    """The first and the greatest fall, by node."""
    if facts.flow is None or facts.flow.first is None:
        return {}
    greatest = max(facts.flow.drops.values(), key=lambda fall: fall.drop).node
    first = facts.flow.first.node
    return {first: "first and greatest fall"} if first == greatest else {first: "first fall", greatest: "greatest fall"}


def threshold_chart(facts: Facts, *, width: int) -> str:
    """The calibration threshold of every node on a logarithmic scale; "" where there are none."""
    rows = [row for row in facts.nodes if row.threshold is not None and row.threshold > 0][:MAX_POINTS]
    if len(rows) < 2:
        return ""
    values = [math.log10(row.threshold or 1.0) for row in rows]
    low, high = math.floor(min(values)), math.ceil(max(values))
    frame = PlotArea(width, 240, len(rows), low, max(high, low + 1))
    parts = [
        draw_bands(frame, [block_of(row.name).split("/")[0] for row in rows]),
        draw_grid(frame, [(float(p), f"{10.0**p:g}") for p in range(low, max(high, low + 1) + 1)]),
    ]
    base = frame.y(low)
    for i, (row, value) in enumerate(zip(rows, values, strict=True)):
        x = frame.x(i)
        parts.append(
            f'<line class="stem" x1="{x:.1f}" x2="{x:.1f}" y1="{base:.1f}" y2="{frame.y(value):.1f}"/>'
            + draw_dot(x, frame.y(value), "dot", f"{row.name}: threshold {row.threshold:g}")
        )
    return draw(frame, "Calibration threshold of every node, logarithmic", parts)


def layer_chart(static: StaticPerf | None, *, width: int) -> str:
    """The slowest layers: time to compute and time to move, which overlap on the BPU; "" without layers."""
    layers: Sequence[LayerTime] = static.layers if static else ()
    top = sorted(layers, key=lambda layer: (-max(layer.compute_us, layer.transfer_us), layer.name))[:MAX_LAYERS]
    longest = max((max(layer.compute_us, layer.transfer_us) for layer in top), default=0.0)
    if not longest:
        return ""
    bars = [
        Bars(
            layer.name,
            layer.compute_us,
            layer.transfer_us,
            f"{max(layer.compute_us, layer.transfer_us):g} us",
            f"{layer.compute_us:g} us computing, {layer.transfer_us:g} us moving",
        )
        for layer in top
    ]
    return _bar_rows("Time of the slowest layers", bars, kinds=("compute", "transfer"), width=width)


def sensitivity_chart(result: Sensitivity | None, *, width: int) -> str:
    """The most sensitive nodes: loss alone in int8 above, gain as int16 below; "" without any."""
    top = result.nodes[:MAX_LAYERS] if result else ()
    bars = [
        Bars(
            node.node,
            node.loss_alone,
            node.gain_int16 or 0.0,
            f"{node.loss_alone:.4f}" + (f", chosen {node.chosen}" if node.chosen else ""),
            f"{node.op}, loss alone {node.loss_alone:.4g}, gain as int16 "
            + ("not measured" if node.gain_int16 is None else f"{node.gain_int16:+.4g}"),
        )
        for node in top
    ]
    return _bar_rows("Loss and gain of the most sensitive nodes", bars, kinds=("compute", "int16"), width=width)


@dataclass(frozen=True, slots=True)
class Bars:
    """A row of a bar chart: two bars under a name, a label behind the longer one; a negative value has no bar."""

    name: str
    upper: float
    lower: float
    label: str
    detail: str


def _bar_rows(title: str, rows: Sequence[Bars], *, kinds: tuple[str, str], width: int) -> str:
    longest = max((max(row.upper, row.lower) for row in rows), default=0.0)
    if longest <= 0:
        return ""
    height_each = 34
    room = max(min(len(row.label), 40) for row in rows) * 7 + 8
    scale = (width - RIGHT - max(room, 70)) / longest
    parts = []
    for i, row in enumerate(rows):
        y = TOP + height_each * i
        upper, lower = max(row.upper, 0.0) * scale, max(row.lower, 0.0) * scale
        parts.append(
            f'<g><text class="label" x="0" y="{y + 9}">{escape(fitted_name(row.name, width // 8))}</text>'
            f'<rect class="{kinds[0]}" x="0" y="{y + 13}" width="{upper:.1f}" height="7"/>'
            f'<rect class="{kinds[1]}" x="0" y="{y + 20}" width="{lower:.1f}" height="5"/>'
            f'<text class="tick" x="{max(upper, lower) + 5:.1f}" y="{y + 22}">'
            f"{escape(fitted_name(row.label, 40))}</text>"
            f"<title>{escape(row.name)}: {escape(row.detail)}</title></g>"
        )
    frame = PlotArea(width, TOP + height_each * len(rows) + 4, 1, 0, 1)
    return draw(frame, title, parts)


def busy_chart(static: StaticPerf | None, *, width: int) -> str:
    """How busy the BPU's computing units are over one frame, interval by interval; "" where it is not told."""
    if static is None or len(static.utilization) < 2:
        return ""
    shares = static.utilization
    frame = PlotArea(width, 220, len(shares) + 1, 0.0, 1.0)
    parts = [draw_grid(frame, [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")])]
    bar = (width - LEFT - RIGHT) / len(shares)
    for i, share in enumerate(shares):
        at = i * static.interval_ms
        text = f"{at:.2f} ms: {share:.0%} busy"
        for name, rates in (("loading", static.load_mb_s), ("storing", static.store_mb_s)):
            text += f", {name} {rates[i]:g} MB/s" if i < len(rates) else ""
        height = frame.y(0.0) - frame.y(share)
        parts.append(
            f'<rect class="compute" x="{LEFT + i * bar:.1f}" y="{frame.y(share):.1f}" '
            f'width="{max(bar - 1.5, 0.5):.1f}" height="{height:.1f}"><title>{escape(text)}</title></rect>'
        )
    end = len(shares) * static.interval_ms
    parts.append(draw_tick(LEFT, frame.height - 14, "0 ms", "start"))
    parts.append(draw_tick(width - RIGHT, frame.height - 14, f"{end:.1f} ms", "end"))
    return draw(frame, "Share of time that the BPU computes, over one frame", parts)


def _cosine_ticks(low: float) -> list[tuple[float, str]]:
    step = 0.01 if low >= 0.95 else 0.02 if low >= 0.9 else 0.05 if low >= 0.7 else 0.2
    count = round((1.0 - low) / step)
    return [(1.0 - i * step, f"{1.0 - i * step:.2f}") for i in range(count + 1) if 1.0 - i * step >= low - 1e-9]


def _callout(frame: PlotArea, index: int, value: float, text: str) -> str:
    x = frame.x(index)
    anchor = "start" if x < frame.width * 0.7 else "end"
    shift = 10 if anchor == "start" else -10
    location = f'text-anchor="{anchor}" x="{x + shift:.1f}" y="{frame.y(value) + 4:.1f}"'
    return f'<text class="callout" {location}>{escape(text)}</text>'
