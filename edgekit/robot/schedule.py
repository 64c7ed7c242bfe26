"""Fair shares of one device: jobs of several routes wait, and the route that has had least of its share goes next."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = ["FairScheduler", "Share"]

T = TypeVar("T")


@dataclass(slots=True)
class Share:
    """What a route has had of the device.

    Attributes:
        jobs: How many of its jobs are done.
        busy_s: How long the device worked for it.
        waited_s: How long its jobs waited, all together.
    """

    jobs: int = 0
    busy_s: float = 0.0
    waited_s: float = 0.0


@dataclass(slots=True)
class _Route:
    """One model on one source: its waiting jobs, and its virtual time, which is device time over weight."""

    weight: float
    waiting: deque[_Job] = field(default_factory=deque)
    virtual_s: float = 0.0
    share: Share = field(default_factory=Share)


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], Any]
    future: Future[Any]
    submitted_s: float


class FairScheduler:
    """Runs the jobs of many routes on `slots` threads, as many as the device takes at once.

    Start-time fair queueing: of the routes that have a job waiting, the one whose device time over its weight is
    least goes next. A route that was idle begins where the others are, so that it neither starves them nor is
    starved. Jobs of one route begin in the order in which they came.
    """

    def __init__(self, slots: int) -> None:
        self._routes: dict[str, _Route] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._virtual_s = 0.0  # that of the job which began last
        self._threads = [threading.Thread(target=self._work, name="device", daemon=True) for _ in range(slots)]
        for thread in self._threads:
            thread.start()

    def add_route(self, name: str, *, weight: float = 1.0) -> None:
        """Add a route; twice the weight is twice the device time where others wait, too."""
        with self._changed:
            self._routes[name] = _Route(weight)

    def submit(self, route: str, work: Callable[[], T]) -> Future[T]:
        """Let `work` wait for the device; its result or exception is the future's.

        After `close` the future is cancelled.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                future.cancel()
                return future
            entry = self._routes[route]
            if not entry.waiting:
                entry.virtual_s = max(entry.virtual_s, self._virtual_s)
            entry.waiting.append(_Job(work, future, time.perf_counter()))
            self._changed.notify()
        return future

    def shares(self) -> dict[str, Share]:
        """Return what every route has had so far."""
        with self._changed:
            return {
                name: Share(route.share.jobs, route.share.busy_s, route.share.waited_s)
                for name, route in self._routes.items()
            }

    def close(self) -> None:
        """Cancel what waits, and wait for what runs."""
        with self._changed:
            self._closed = True
            left = [job for route in self._routes.values() for job in route.waiting]
            for route in self._routes.values():
                route.waiting.clear()
            self._changed.notify_all()
        for job in left:
            job.future.cancel()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            route, job, charged_s = taken
            start = time.perf_counter()
            try:
                job.future.set_result(job.work())
            except BaseException as error:
                job.future.set_exception(error)
            self._account(route, time.perf_counter() - start, charged_s)

    def _next(self) -> tuple[_Route, _Job, float] | None:
        """Wait for a job; the route is charged its usual time at once, so that the other slots see it."""
        with self._changed:
            while True:
                while not self._closed and not any(route.waiting for route in self._routes.values()):
                    self._changed.wait()
                if self._closed:
                    return None
                route = min((r for r in self._routes.values() if r.waiting), key=lambda r: r.virtual_s)
                job = route.waiting.popleft()
                if not job.future.set_running_or_notify_cancel():
                    continue
                route.share.waited_s += time.perf_counter() - job.submitted_s
                self._virtual_s = max(self._virtual_s, route.virtual_s)
                charged_s = route.share.busy_s / route.share.jobs if route.share.jobs else 0.0
                route.virtual_s += charged_s / route.weight
                return route, job, charged_s

    def _account(self, route: _Route, busy_s: float, charged_s: float) -> None:
        with self._changed:
            route.share.jobs += 1
            route.share.busy_s += busy_s
            route.virtual_s += (busy_s - charged_s) / route.weight
