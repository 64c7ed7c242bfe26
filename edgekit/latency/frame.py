"""The frame's time from its layers': computing and memory, one against the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgekit.latency.features import unit_of
from edgekit.latency.layer import Layer
from edgekit.latency.schedule import Channel, Step, Timeline, run_schedule
from edgekit.latency.traffic import Traffic, traffic

__all__ = ["frame_timeline"]

LEAST_US = 1.0  # of a layer in a frame: the compiler's files per layer give whole microseconds, smaller ones as 0


def frame_timeline(
    layers: Sequence[Layer],
    compute_us: Sequence[float],
    *,
    scales: Mapping[str, float],
    on_chip: float,
    channel: Channel,
) -> tuple[Timeline, tuple[Traffic, ...]]:
    """Schedule a frame.

    Args:
        layers: In the order in which they run.
        compute_us: Microseconds of each without memory.
        scales: Per unit, what becomes of its layers' time in the compiler's order.
        on_chip: Bytes of maps that wait on the chip for their readers, and of results that wait to be stored.
        channel: The memory channel.

    Returns:
        The timeline and the traffic, one entry per layer.
    """
    moved = traffic(layers, on_chip)
    steps = [
        Step(max(LEAST_US, us * scales[unit_of(layer)]), bytes_.load, bytes_.store)
        for layer, us, bytes_ in zip(layers, compute_us, moved, strict=True)
    ]
    return run_schedule(steps, channel, room=on_chip), moved
