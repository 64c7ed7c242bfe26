"""What another model changes in the map of an image: pixels of another class, or depths that moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.evaluation.map_scores import depth_sums
from edgekit.results import DepthMap, Results, SemanticMap

__all__ = ["MapDiff", "diff_maps"]


@dataclass(frozen=True, slots=True)
class MapDiff:
    """What changed on one image.

    Attributes:
        image: Name of the image.
        measure: "changed pixels" (share of another class) or "AbsRel" (mean relative difference of depths).
        value: 0 where both maps are equal.
        drawing: Name of the side-by-side image, "" if none was drawn.
    """

    image: str
    measure: str
    value: float
    drawing: str = ""

    @property
    def text(self) -> str:
        """The measure and its value, as people read it."""
        return f"{self.measure} {100 * self.value:.2f} %"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"image": self.image, self.measure: round(self.value, 6), "drawing": self.drawing or None}


def diff_maps(image: str, results: Sequence[Results]) -> MapDiff | None:
    """Compare the maps of two models on an image.

    Args:
        image: Name of the image.
        results: Of the reference and of the other model.

    Returns:
        What changed; None unless both gave a map of the same kind.
    """
    if len(results) != 2:
        return None
    a, b = results
    if isinstance(a, SemanticMap) and isinstance(b, SemanticMap):
        return MapDiff(image, "changed pixels", float((a.class_map != b.class_map).mean()))
    if isinstance(a, DepthMap) and isinstance(b, DepthMap):
        return MapDiff(image, "AbsRel", depth_sums(b.depth, a.depth).abs_rel)
    return None
