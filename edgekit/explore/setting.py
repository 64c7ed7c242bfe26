"""A setting that was tried, as the plot of accuracy over milliseconds shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Criterion", "Setting"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """What settings are judged by: an axis of the plot.

    Attributes:
        key: Of a setting's `values`.
        label: In words.
        more_is_better: Whether larger values are better.
        percent: Whether it is a share, written in percent.
    """

    key: str
    label: str
    more_is_better: bool
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that was tried.

    Attributes:
        what: What was changed, in words.
        milliseconds: Of a frame, by the static estimate; None without a latency model.
        extra_cost: What its 16 bits add to the frame in 8 bits, as a share.
        values: Key of a criterion -> value; a setting that was not measured by one lacks it.
        details: (name, value) in words, for whom it interests.
        is_chosen: Whether it was written.
    """

    what: str
    milliseconds: float | None
    extra_cost: float
    values: Mapping[str, float]
    details: tuple[tuple[str, str], ...] = field(default=())
    is_chosen: bool = False
