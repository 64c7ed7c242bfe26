"""Where independent tasks run: in this process, in processes of this computer, or on a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.workers.memo import MemoizedRunner
    from edgekit.workers.tasks import Workers, completed, in_order, open_workers

__all__ = ["MemoizedRunner", "Workers", "completed", "in_order", "open_workers"]

__getattr__ = lazy_exports(
    __name__,
    {
        "MemoizedRunner": "edgekit.workers.memo",
        "Workers": "edgekit.workers.tasks",
        "completed": "edgekit.workers.tasks",
        "in_order": "edgekit.workers.tasks",
        "open_workers": "edgekit.workers.tasks",
    },
)
