"""A bounded queue between two stages: waits when full, or drops its oldest entry for live sources."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """First in, first out between two threads; closed by either side, which wakes everybody who waits.

    With `drop_oldest`, `put` never waits: the oldest entry goes to `on_drop` instead.
    """

    def __init__(self, size: int, *, drop_oldest: bool = False, on_drop: Callable[[T], None] | None = None) -> None:
        self._items: deque[T] = deque()
        self._size = size
        self._drop_oldest = drop_oldest
        self._on_drop = on_drop
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Append `item`; returns False if the queue was closed and nobody will read it."""
        with self._changed:
            while len(self._items) >= self._size and not self._drop_oldest and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            if len(self._items) >= self._size:
                dropped = self._items.popleft()
                if self._on_drop:
                    self._on_drop(dropped)
            self._items.append(item)
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """Accept no more entries; those in the queue can still be read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """Close, and forget the entries in the queue."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Yield entries in order until the queue is closed and empty."""
        while True:
            with self._changed:
                while not self._items and not self._closed:
                    self._changed.wait()
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
