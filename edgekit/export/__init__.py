"""Head surgery: a stock YOLO export cut at its last convolutions, with the sidecar that says what they mean."""

from __future__ import annotations

from edgekit.export.cut import Cut, CutOptions, cut_file, cut_graph, cut_model

__all__ = ["Cut", "CutOptions", "cut_file", "cut_graph", "cut_model"]
