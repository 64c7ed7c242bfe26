from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

import pytest

from edgekit.robot.schedule import FairScheduler


class Clock:
    """Time that only passes when a job says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("edgekit.robot.schedule.time.perf_counter", lambda: self.now)

    def job(self, duration: float, log: list[str], name: str) -> Callable[[], str]:
        def work() -> str:
            log.append(name)
            self.now += duration
            return name

        return work


def blocked(scheduler: FairScheduler) -> Callable[[], None]:
    """Holds the device's one slot until everything has been submitted."""
    gate = threading.Event()
    scheduler.add_route("gate")
    running = threading.Event()
    scheduler.submit("gate", lambda: (running.set(), gate.wait()))
    running.wait()
    return gate.set


def order_of(monkeypatch: pytest.MonkeyPatch, routes: dict[str, tuple[float, float, int]]) -> list[str]:
    """The order in which jobs of routes, each (weight, duration, count), run on one slot."""
    clock, log, futures = Clock(monkeypatch), [], []
    scheduler = FairScheduler(1)
    start = blocked(scheduler)
    for name, (weight, duration, count) in routes.items():
        scheduler.add_route(name, weight=weight)
        futures += [scheduler.submit(name, clock.job(duration, log, name)) for _ in range(count)]
    start()
    for future in futures:
        future.result(timeout=30)
    scheduler.close()
    return log


def test_equal_routes_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    order = order_of(monkeypatch, {"a": (1, 1, 40), "b": (1, 1, 40), "c": (1, 1, 40)})
    for turn in range(1, 39):
        assert Counter(order[3 * turn : 3 * turn + 3]) == {"a": 1, "b": 1, "c": 1}


def test_device_time_counts_and_not_the_number_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    order = order_of(monkeypatch, {"slow": (1, 4, 40), "fast": (1, 1, 40)})
    first = Counter(order[:35])
    assert 25 <= first["fast"] <= 30
    assert first["fast"] / first["slow"] == pytest.approx(4, abs=1.2)


def test_weights_are_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Counter(order_of(monkeypatch, {"high": (3, 1, 60), "low": (1, 1, 60)})[:60])
    assert 43 <= first["high"] <= 47


def test_a_flood_starves_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    order = order_of(monkeypatch, {"flood": (1, 1, 300), "rare": (1, 1, 3)})
    assert [i for i, name in enumerate(order) if name == "rare"][-1] < 10


def test_who_was_idle_has_saved_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, log, futures = Clock(monkeypatch), [], []
    scheduler = FairScheduler(1)
    for name in ("busy", "idle"):
        scheduler.add_route(name)
    scheduler.submit("idle", clock.job(1, log, "idle")).result(timeout=30)
    for _ in range(50):
        scheduler.submit("busy", clock.job(1, log, "busy")).result(timeout=30)
    start = blocked(scheduler)
    del log[:]
    for _ in range(20):
        futures += [scheduler.submit(name, clock.job(1, log, name)) for name in ("idle", "busy")]
    start()
    for future in futures:
        future.result(timeout=30)
    scheduler.close()
    assert 8 <= Counter(log[:20])["busy"] <= 12


def test_as_many_at_once_as_there_are_slots() -> None:
    scheduler = FairScheduler(3)
    scheduler.add_route("a")
    barrier = threading.Barrier(3)  # breaks unless three run at the same time
    futures = [scheduler.submit("a", lambda: barrier.wait(timeout=30)) for _ in range(6)]
    assert sorted(future.result(timeout=60) for future in futures) == [0, 0, 1, 1, 2, 2]
    assert scheduler.shares()["a"].jobs <= 6
    scheduler.close()
    assert scheduler.shares()["a"].jobs == 6


def test_errors_are_the_jobs_own() -> None:
    scheduler = FairScheduler(1)
    scheduler.add_route("a")
    failing = scheduler.submit("a", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        failing.result(timeout=30)
    assert scheduler.submit("a", lambda: 7).result(timeout=30) == 7
    scheduler.close()


def test_what_waits_is_cancelled_at_the_end() -> None:
    scheduler = FairScheduler(1)
    start = blocked(scheduler)
    scheduler.add_route("a")
    waiting: list[Future[int]] = [scheduler.submit("a", lambda: 1) for _ in range(5)]
    waiting[0].cancel()
    closing = threading.Thread(target=scheduler.close)
    closing.start()
    for future in waiting:
        with pytest.raises(CancelledError):
            future.result(timeout=30)
    start()
    closing.join(timeout=30)
    assert not closing.is_alive()
    assert scheduler.submit("a", lambda: 1).cancelled()
