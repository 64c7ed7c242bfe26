"""What tuning tried and took, step by step: the report of what each step bought."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgekit.tune.setting import Setting


@dataclass(frozen=True, slots=True)
class Step:
    """A setting taken: what was changed, what it costs, and the mean relative error of the outputs with it.

    `tried` counts the candidates that were measured for it. `extra_cost` is a share of the int8 build's work.
    """

    what: str
    setting: Setting
    error: float
    extra_cost: float
    tried: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "error": round(self.error, 6),
            "extra_cost": round(self.extra_cost, 5),
            "tried": self.tried,
            "setting": self.setting.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Unit:
    """A place that can be computed in 16 bits, and what measuring it alone gave.

    `loss_alone`: the outputs' mean relative error with this place alone in 8 bits; `gain_int16`: how much of the
    int8 build's error goes when this place alone has 16; None where it was not tried. `extra_cost` is what they cost.
    """

    node: str
    tensors: frozenset[str]
    op: str
    loss_alone: float
    gain_int16: float | None
    extra_cost: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A step after scoring on photos: what is kept of every metric, and the agreement with the float model."""

    step: Step
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> dict[str, float]:
        """Metric -> share of the float model's; empty without labels."""
        return {kind: float(one["value"]) for kind, one in (self.report.get("kept") or {}).items()}

    @property
    def disagreement(self) -> float:
        """Confident detections of the float model not found again, as a mean over the overlaps asked for."""
        found = (self.report.get("agreement") or {}).get("found_again") or {}
        shares = [float(one["value"]) for one in found.values()]
        return 1 - sum(shares) / len(shares) if shares else float("nan")

    def to_dict(self) -> dict[str, Any]:
        lost = None if math.isnan(self.disagreement) else round(self.disagreement, 6)
        return {**self.step.to_dict(), "scores": dict(self.report), "disagreement": lost}
