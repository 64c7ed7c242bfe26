"""The build log, in the shape of hb_mapper's so that one reader takes both; its first line says simulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from edgekit.version import __version__

COLUMNS = ("Node", "ON", "Subgraph", "Type", "Cosine Similarity", "Threshold", "DataType")
OUTPUT_COLUMNS = ("Output", "Cosine Similarity", "L1 Distance", "L2 Distance", "Chebyshev Distance")
FIRST_LINE = f"edgekit {__version__} simulated compiler: no vendor tool was involved, no board binary is made"


@dataclass(frozen=True, slots=True)
class LoggedNode:
    """One node of the integer graph; None where there is nothing to compare."""

    name: str
    on: str
    type: str
    cosine: float | None
    threshold: float | None
    dtype: str


@dataclass(frozen=True, slots=True)
class LoggedOutput:
    """One output, integer graph against float model."""

    name: str
    cosine: float
    l1: float
    l2: float
    chebyshev: float


class BuildLog:
    """Collects stamped lines and blocks; `text` is the whole log."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.add(FIRST_LINE)

    @property
    def text(self) -> str:
        """The whole log."""
        return "\n".join(self._lines) + "\n"

    def add(self, message: str, block: Sequence[str] = ()) -> None:
        """A line with the time, and unstamped lines that belong to it."""
        stamp = datetime.now().strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
        self._lines += [f"{stamp} INFO {message}", *block]

    def add_config(self, yaml_text: str) -> None:
        """The yaml as used: its first line carries the stamp, as in hb_mapper's log."""
        self.add("Dump config:")
        plain = [line for line in yaml_text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        self.add(plain[0], plain[1:])

    def add_graph(self, opset: int, inputs: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]]) -> None:
        """What goes in and out of the float model."""
        lines = [f"Opset version:            ['ai.onnx v{opset}']", "Graph input:"]
        lines += [_tensor_line(name, shape) for name, shape in inputs.items()]
        lines += ["Graph output:", *(_tensor_line(name, shape) for name, shape in outputs.items())]
        self.add("Input ONNX Model Information:", lines)

    def add_nodes(self, rows: Sequence[LoggedNode]) -> None:
        """Add the table of nodes."""
        cells = [
            (r.name, r.on, "id(0)" if r.on == "BPU" else "--", r.type, _six(r.cosine), _short(r.threshold), r.dtype)
            for r in rows
        ]
        self.add("The main quantized node information:", table_lines(COLUMNS, cells))

    def add_outputs(self, rows: Sequence[LoggedOutput]) -> None:
        """Add the table of outputs."""
        cells = [(r.name, *(_six(v) for v in (r.cosine, r.l1, r.l2, r.chebyshev))) for r in rows]
        self.add("The quantized model output:", table_lines(OUTPUT_COLUMNS, cells))


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Left-aligned columns two blanks apart, with a double and a single rule."""
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [columns, *rows]]
    rule = len(lines[0])
    return ["=" * rule, lines[0], "-" * rule, *lines[1:]]


def _tensor_line(name: str, shape: Sequence[int]) -> str:
    return f"    {name + ':':<22}shape=[{', '.join(map(str, shape))}], dtype=FLOAT32"


def _six(value: float | None) -> str:
    return "--" if value is None else f"{value:.6f}"


def _short(value: float | None) -> str:
    return "--" if value is None else str(float(f"{value:.6g}"))
