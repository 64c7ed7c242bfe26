"""What follows from a sidecar alone, worked out once: kept by which object it follows from, not by what that holds.

`functools.lru_cache` hashes every number of a head's scales each time, which costs more than what it saves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Result = TypeVar("Result")
LIMIT = 4096  # results kept, far more than one model's: only then are all forgotten


def once_per_object(function: Callable[..., Result]) -> Callable[..., Result]:
    """`function(owner, *rest)`, called once for each owner and rest; the owner must be frozen."""
    kept: dict[tuple[Hashable, ...], tuple[Any, Result]] = {}

    @functools.wraps(function)
    def kept_or_new(owner: Any, *rest: Hashable) -> Result:
        key = (id(owner), *rest)
        found = kept.get(key)
        if found is None:
            if len(kept) >= LIMIT:
                kept.clear()
            found = kept[key] = (owner, function(owner, *rest))  # the owner too, so that its id stays its own
        return found[1]

    return kept_or_new
