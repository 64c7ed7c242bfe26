"""Head surgery: a stock YOLO export cut at its last convolutions, with the sidecar that describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.export.cut import Cut, CutOptions, cut_file, cut_graph, cut_model

__all__ = ["Cut", "CutOptions", "cut_file", "cut_graph", "cut_model"]

__getattr__ = lazy_exports(
    __name__,
    {
        "Cut": "edgekit.export.cut",
        "CutOptions": "edgekit.export.cut",
        "cut_file": "edgekit.export.cut",
        "cut_graph": "edgekit.export.cut",
        "cut_model": "edgekit.export.cut",
    },
)
