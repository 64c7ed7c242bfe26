"""Every kind by its name."""

from __future__ import annotations

from fuzzing import kinds_data, kinds_exports, kinds_graph, kinds_logs, kinds_work
from fuzzing.kind import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (*kinds_graph.KINDS, *kinds_exports.KINDS, *kinds_work.KINDS, *kinds_data.KINDS, *kinds_logs.KINDS)
}
