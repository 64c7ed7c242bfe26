"""The shipped demonstration: a small model of our own, generated images, and the whole way through both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.demo.run import DemoResult, run_demo
    from edgekit.demo.scenes import Scene, render_image

__all__ = ["DemoResult", "Scene", "render_image", "run_demo"]

__getattr__ = lazy_exports(
    __name__,
    {
        "DemoResult": "edgekit.demo.run",
        "Scene": "edgekit.demo.scenes",
        "render_image": "edgekit.demo.scenes",
        "run_demo": "edgekit.demo.run",
    },
)
