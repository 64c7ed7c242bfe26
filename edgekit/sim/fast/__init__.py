"""The fast execution: the same integers as the reference, chosen by default."""

from __future__ import annotations

from edgekit.errors import ConfigError
from edgekit.sim.executor import Executor, ReferenceExecutor
from edgekit.sim.fast.build import kernels
from edgekit.sim.fast.executor import FastExecutor
from edgekit.sim.graph import Graph

EXECUTIONS = ("fast", "reference")


def make_executor(graph: Graph, *, execution: str = "fast", threads: int = 2) -> Executor:
    """Make an executor for a graph.

    Args:
        graph: The integer graph.
        execution: "fast" or "reference"; both give the same integers.
        threads: How many threads the fast one uses within a frame.

    Returns:
        The executor; the reference if the kernels cannot be built here.

    Raises:
        ConfigError: `execution` is neither.
    """
    if execution not in EXECUTIONS:
        raise ConfigError(
            f"execution {execution!r} is unknown, expected one of {', '.join(EXECUTIONS)}", hint="use fast"
        )
    built = kernels() if execution == "fast" else None
    if built is None or built.library is None:
        return ReferenceExecutor(graph)
    return FastExecutor(graph, built.library, threads=threads)
