"""The frame as two lanes: the BPU computes layer after layer while the memory channel loads weights ahead of it.

Loads run ahead as far as the on-chip buffer has room; a layer begins when its weights have arrived, so that a frame
takes the longer of the two lanes wherever one waits for the other. Results that leave the chip take the channel, too,
from the beginning of their layer on; those that are not stored yet wait on the chip, and what finds no room is waited
for.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Channel", "Step", "Timeline", "run_schedule"]


@dataclass(frozen=True, slots=True)
class Channel:
    """The memory channel.

    `bytes_per_us`: what it carries; `start_us`: what a transfer takes besides; `buffer_bytes`: loaded and not yet
    used weights that fit on the chip; `piece_bytes`: larger transfers are cut into pieces of this size.
    """

    bytes_per_us: float
    start_us: float
    buffer_bytes: float
    piece_bytes: float


@dataclass(frozen=True, slots=True)
class Step:
    """One layer: microseconds of computing, bytes to load before it and to store behind it."""

    compute_us: float
    load_bytes: float
    store_bytes: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """When the layers ran.

    `start_us`, `end_us`: per step, from the beginning of the frame; `waits_us`: what each waited for the channel;
    `frame_us`: until the last result is stored.
    """

    start_us: tuple[float, ...]
    end_us: tuple[float, ...]
    waits_us: tuple[float, ...]
    frame_us: float


def run_schedule(steps: Sequence[Step], channel: Channel, *, room: float = math.inf) -> Timeline:
    """Run the lanes against each other.

    Args:
        steps: The layers in the order in which they are computed.
        channel: The memory channel they share.
        room: Bytes of results that wait on the chip to be stored.

    Returns:
        The timeline; an empty one takes 0.
    """
    lanes = _Lanes(channel, room)
    rows = [lanes.run(step) for step in steps]
    starts, ends, waits = zip(*rows, strict=True) if rows else ((), (), ())
    return Timeline(starts, ends, waits, lanes.finish())


class _Lanes:
    """The two clocks, and what lies in the buffer."""

    def __init__(self, channel: Channel, room: float) -> None:
        self._channel, self._room = channel, room
        self._computed = self._carried = 0.0
        self._held: deque[tuple[float, float]] = deque()  # (freed at, bytes)
        self._held_bytes = 0.0
        self._stored = 0.0

    def run(self, step: Step) -> tuple[float, float, float]:
        """Start, end and waiting time of one layer."""
        pieces = max(1, round(step.load_bytes / self._channel.piece_bytes))
        began, waited = None, 0.0
        for _ in range(pieces):
            arrived = self._load(step.load_bytes / pieces)
            start = max(self._computed, arrived)
            waited += start - self._computed
            began = start if began is None else began
            self._computed = start + step.compute_us / pieces
            self._held.append((self._computed, step.load_bytes / pieces))
        assert began is not None, "every layer has a piece"
        if step.store_bytes:
            waited += self._store(step.store_bytes, began)
        return began, self._computed, waited

    def finish(self) -> float:
        return max(self._computed, self._stored)

    def _load(self, size: float) -> float:
        """When `size` bytes more have arrived."""
        if not size:
            return 0.0
        start = self._carried
        while self._held and self._held_bytes + size > self._channel.buffer_bytes:
            freed, bytes_ = self._held.popleft()
            self._held_bytes -= bytes_
            start = max(start, freed)
        self._held_bytes += size
        self._carried = start + self._channel.start_us + size / self._channel.bytes_per_us
        return self._carried

    def _store(self, size: float, began: float) -> float:
        """Store results while they are computed; returns how long what finds no room on the chip is waited for."""
        took = self._channel.start_us + size / self._channel.bytes_per_us
        self._carried += took
        self._stored = max(self._stored, began) + took
        waited = max(self._stored - self._room / self._channel.bytes_per_us - self._computed, 0.0)
        self._computed += waited
        return waited
