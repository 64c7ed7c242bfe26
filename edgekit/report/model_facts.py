"""What the rules judge: a build and all that was derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean

from edgekit.logs.mapper_log import MapperLog
from edgekit.logs.tables import NodeRow
from edgekit.report.build import Build
from edgekit.report.cosine_trace import Flow
from edgekit.report.cpu import CpuCost
from edgekit.report.outputs import Output
from edgekit.report.predicted import Predicted


@dataclass(frozen=True, slots=True)
class Facts:
    """A build, its outputs, the way its cosine takes (None without cosines), its CPU work, the latency model's word."""

    build: Build
    outputs: tuple[Output, ...]
    flow: Flow | None
    cpu: CpuCost
    predicted: Predicted | None = None

    @property
    def log(self) -> MapperLog | None:
        """The log of the checker or compiler, whichever says more."""
        return self.build.log

    @property
    def nodes(self) -> tuple[NodeRow, ...]:
        """The compile log's rows, one per node."""
        log = self.build.compile_log
        return log.nodes if log else ()

    @property
    def worst_nodes(self) -> tuple[NodeRow, ...]:
        """Nodes with a cosine, lowest first."""
        known = [row for row in self.nodes if row.cosine is not None]
        return tuple(sorted(known, key=lambda row: (row.cosine, row.name)))

    @property
    def int16_nodes(self) -> tuple[NodeRow, ...]:
        """Nodes that take or give int16."""
        return tuple(row for row in self.nodes if "int16" in row.dtype)

    @property
    def worst_output(self) -> Output | None:
        """The output with the lowest cosine; None if none has one."""
        known = [output for output in self.outputs if output.cosine is not None]
        return min(known, key=lambda output: (output.cosine, output.name), default=None)

    @property
    def utilization(self) -> float | None:
        """Mean share of time that the BPU's computing units work, by the static estimate."""
        static = self.build.static
        return mean(static.utilization) if static and static.utilization else None
