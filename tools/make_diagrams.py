"""Draws the diagrams of the documentation as SVG: python tools/make_diagrams.py [--check].

The boxes and arrows are data; the drawing has no other input, so the same source gives the same bytes. `--check` exits
with 1 where a file in docs/assets is not what this script makes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from html import escape
from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent / "docs" / "assets"
BOX_WH, GAP, MARGIN = (150, 64), 46, 12
STYLE = """
  .box { fill: #eef2ff; stroke: #4051b5; stroke-width: 1.5 }
  .check { fill: #ecfdf3; stroke: #2e7d4f; stroke-width: 1.5 }
  .name { font: 600 14px system-ui, sans-serif; fill: #1f2937 }
  .note { font: 11px system-ui, sans-serif; fill: #4b5563 }
  .arrow { stroke: #4b5563; stroke-width: 1.5; fill: none; marker-end: url(#tip) }
  @media (prefers-color-scheme: dark) {
    .box { fill: #1f2547; stroke: #8c9eff } .check { fill: #12321f; stroke: #6fcf97 }
    .name { fill: #f3f4f6 } .note { fill: #cbd5e1 } .arrow { stroke: #cbd5e1 }
  }
"""


@dataclass(frozen=True)
class Box:
    """A step: its column and row, its name, one line below it, and whether it checks rather than makes something."""

    column: int
    row: int
    name: str
    note: str
    checks: bool = False


DIAGRAMS: dict[str, tuple[tuple[Box, ...], tuple[tuple[str, str], ...]]] = {
    "pipeline": (
        (
            Box(0, 0, "stock ONNX", "any Ultralytics export"),
            Box(1, 0, "cut", "heads as outputs"),
            Box(2, 0, "calibrate", "images + yaml"),
            Box(3, 0, "compile", "int8 .bin"),
            Box(4, 0, "run", "boxes, masks, JSON"),
            Box(1, 1, "proof", "decoding = the export's rows", checks=True),
            Box(2, 1, "data check", "what the model sees there", checks=True),
            Box(3, 1, "report", "cosine, CPU nodes, time", checks=True),
            Box(4, 1, "eval", "kept of float, intervals", checks=True),
        ),
        (
            ("stock ONNX", "cut"),
            ("cut", "calibrate"),
            ("calibrate", "compile"),
            ("compile", "run"),
            ("cut", "proof"),
            ("calibrate", "data check"),
            ("compile", "report"),
            ("run", "eval"),
        ),
    ),
    "frame": (
        (
            Box(0, 0, "image", "BGR, any size"),
            Box(1, 0, "prepare", "letterbox, nv12 or rgb"),
            Box(2, 0, "infer", "BPU or simulated"),
            Box(3, 0, "decode", "threshold, DFL, NMS"),
            Box(4, 0, "results", "in image pixels"),
        ),
        (("image", "prepare"), ("prepare", "infer"), ("infer", "decode"), ("decode", "results")),
    ),
}


def corner(box: Box) -> tuple[int, int]:
    """Left and top of a box in pixels."""
    return MARGIN + box.column * (BOX_WH[0] + GAP), MARGIN + box.row * (BOX_WH[1] + GAP)


def drawn_box(box: Box) -> str:
    """One box with its two lines of text."""
    x, y = corner(box)
    middle, kind = x + BOX_WH[0] // 2, "check" if box.checks else "box"
    return (
        f'<rect class="{kind}" x="{x}" y="{y}" width="{BOX_WH[0]}" height="{BOX_WH[1]}" rx="8"/>'
        f'<text class="name" x="{middle}" y="{y + 27}" text-anchor="middle">{escape(box.name)}</text>'
        f'<text class="note" x="{middle}" y="{y + 46}" text-anchor="middle">{escape(box.note)}</text>'
    )


def drawn_arrow(start: Box, end: Box) -> str:
    """A straight arrow: to the right within a row, downwards within a column."""
    (x1, y1), (x2, y2) = corner(start), corner(end)
    if start.row == end.row:
        x1, y1, y2 = x1 + BOX_WH[0], y1 + BOX_WH[1] // 2, y2 + BOX_WH[1] // 2
    else:
        x1, y1, x2 = x1 + BOX_WH[0] // 2, y1 + BOX_WH[1], x2 + BOX_WH[0] // 2
    return f'<path class="arrow" d="M{x1} {y1} L{x2} {y2}"/>'


def diagram(name: str) -> str:
    """The SVG document of one diagram."""
    boxes, arrows = DIAGRAMS[name]
    by_name = {box.name: box for box in boxes}
    width = max(corner(box)[0] for box in boxes) + BOX_WH[0] + MARGIN
    height = max(corner(box)[1] for box in boxes) + BOX_WH[1] + MARGIN
    title = " → ".join(box.name for box in boxes if not box.checks)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#6b7280"/></marker></defs>',
        *(drawn_box(box) for box in boxes),
        *(drawn_arrow(by_name[start], by_name[end]) for start, end in arrows),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> int:
    """Write every diagram, or with --check compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where a file differs")
    args = parser.parse_args()
    stale = []
    for name in DIAGRAMS:
        path, text = ASSETS / f"{name}.svg", diagram(name)
        if args.check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            stale.append(path.name)
        elif not args.check:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"not as tools/make_diagrams.py draws them: {', '.join(stale)}")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
