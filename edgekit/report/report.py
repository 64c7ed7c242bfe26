"""The report of one build: the files' facts, what follows from them, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.logs.tables import NodeRow
from edgekit.report.build import Build
from edgekit.report.cosine_trace import Flow, trace_flow
from edgekit.report.cpu import CpuCost, count_cpu
from edgekit.report.graph import build_graph
from edgekit.report.model_facts import Facts
from edgekit.report.outputs import Output, list_outputs
from edgekit.report.predicted import predict
from edgekit.report.verdict import Verdict, judge


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the terminal, the page and the JSON show of one build."""

    facts: Facts
    verdict: Verdict

    @property
    def build(self) -> Build:
        """The build that the report is about."""
        return self.facts.build


def make_report(build: Build, *, estimate: bool = True) -> Report:
    """Draw the conclusions from a build's files; never raises for what they contain or lack.

    Args:
        build: What `collect` gathered.
        estimate: Whether the quantized graph is read for the latency model, which takes a second.

    Returns:
        Facts, findings in the order of their weight, and the verdict.
    """
    graph = build_graph(build)
    rows = build.log.output_rows if build.log else ()
    cosines = {row.name: row.cosine for row in rows if row.cosine is not None}
    flow = trace_flow(graph, cosines) if graph and any(n.cosine is not None for n in graph.nodes.values()) else None
    outputs = list_outputs(build, graph, flow)
    predicted = predict(build) if estimate else None
    facts = Facts(build=build, outputs=outputs, flow=flow, cpu=count_cpu(build, outputs), predicted=predicted)
    return Report(facts, judge(facts))


__all__ = ["CpuCost", "Facts", "Flow", "NodeRow", "Output", "Report", "Verdict", "make_report"]
