"""From the static estimate to the board: what was measured between the two, and nothing more.

Over 14 models of the public model zoo, compiled at O3, the static rate lies on average 2.6 % and at most 7.7 % from the
rate that two threads reach on an RDK X5; the latency of one thread is the static latency plus an offset by task.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OFFSETS_MS", "RATE_ERROR", "BoardFigures", "board_figures"]

OFFSETS_MS = {"detect": 3.0, "pose": 3.0, "segment": 5.4, "classify": 0.2}  # of one thread, n sizes
RATE_ERROR = 0.077  # at most, of the rate of two threads
SOURCE = "measured on RDK X5 over 14 zoo models: rates of two threads within 7.7 % of the static ones"


@dataclass(frozen=True, slots=True)
class BoardFigures:
    """What the board may be expected to do.

    `two_threads_fps` with its bounds, which hold the model's own band and the board's; `one_thread_ms` is None for a
    task whose offset was never measured.
    """

    two_threads_fps: float
    low_fps: float
    high_fps: float
    one_thread_ms: float | None
    source: str = SOURCE


def board_figures(frame_us: float, band: float, task: str) -> BoardFigures:
    """Translate a static frame time.

    Args:
        frame_us: The frame, in microseconds.
        band: The estimate's error, as a share.
        task: The model's task, "" where nothing says it.

    Returns:
        The figures.
    """
    fps, off = 1e6 / frame_us, band + RATE_ERROR
    offset = OFFSETS_MS.get(task)
    return BoardFigures(fps, fps / (1 + off), fps * (1 + off), None if offset is None else frame_us / 1e3 + offset)
