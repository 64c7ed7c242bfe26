"""The float ONNX graph: reading, editing, running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.graph.onnx_graph import GraphIndex, load_model, open_session

__all__ = ["GraphIndex", "load_model", "open_session"]

__getattr__ = lazy_exports(
    __name__,
    {
        "GraphIndex": "edgekit.graph.onnx_graph",
        "load_model": "edgekit.graph.onnx_graph",
        "open_session": "edgekit.graph.onnx_graph",
    },
)
