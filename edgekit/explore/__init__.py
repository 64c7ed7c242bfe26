"""One page to look at: which images int8 changed, where the layers part, what every setting costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.explore.gallery import Gallery
    from edgekit.explore.page import ExploredModel, explore_page
    from edgekit.explore.setting import Criterion, Setting

__all__ = ["Criterion", "ExploredModel", "Gallery", "Setting", "explore_page"]

__getattr__ = lazy_exports(
    __name__,
    {
        "Criterion": "edgekit.explore.setting",
        "ExploredModel": "edgekit.explore.page",
        "Gallery": "edgekit.explore.gallery",
        "Setting": "edgekit.explore.setting",
        "explore_page": "edgekit.explore.page",
    },
)
