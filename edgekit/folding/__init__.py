"""Improvements folded into the float ONNX, so that any toolchain benefits from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.folding.refine import Refinement

__all__ = ["Refinement"]

__getattr__ = lazy_exports(__name__, {"Refinement": "edgekit.folding.refine"})
