"""What a simulated result has to say of itself: float operators in the graph, and a missing fast execution."""

from __future__ import annotations

from edgekit.sim.fast.build import kernels
from edgekit.sim.graph import Graph


def execution_notes(graph: Graph) -> tuple[str, ...]:
    """Sentences for the user; none where everything is exact and fast."""
    notes = []
    if graph.inexact_nodes:
        notes.append(
            f"float operators whose last bit depends on the machine: {', '.join(graph.inexact_nodes)}; "
            "integers quantized right behind them may differ by one between machines"
        )
    built = kernels()
    if built.library is None:
        notes.append(f"no fast execution here ({built.reason}): the same integers from plain numpy, many times slower")
    return tuple(notes)
