"""How fast a run is, written on each image: the milliseconds of each step, and frames per second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from edgekit.ops.draw import DARK, draw_text
from edgekit.results.frame import Image

__all__ = ["FrameRate", "draw_times"]

WINDOW_FRAMES = 30


class FrameRate:
    """Frames per second over the last frames."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._stamps: deque[float] = deque(maxlen=WINDOW_FRAMES + 1)

    def tick(self) -> float:
        """Count a frame and return the rate; 0 with the first."""
        self._stamps.append(self._clock())
        passed = self._stamps[-1] - self._stamps[0]
        return (len(self._stamps) - 1) / passed if passed > 0 else 0.0


def draw_times(image: Image, times_ms: Mapping[str, float], fps: float) -> None:
    """Write frames per second and the milliseconds of each step onto the top left of `image`, in place."""
    steps = "  ".join(f"{step} {value:.1f}" for step, value in times_ms.items())
    height = draw_text(image, f"{fps:.1f} FPS", (0, 0), DARK)
    draw_text(image, f"{steps} ms", (0, 2 * height), DARK)
