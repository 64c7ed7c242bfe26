"""What tuning tried and took, step by step: the report of what each step bought."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.evaluate.bootstrap import Interval, ratio
from edgekit.tune.candidate import Setting


@dataclass(frozen=True, slots=True)
class Step:
    """A setting taken: what was changed, what it costs, and the mean relative error of the outputs with it.

    `error` is taken over all cells, `seen_error` where objects are. `loss` is what the search brings down and `worst`
    what its wishes are held against (`figures.py`; both are 1 for the untuned default). `tried` counts the candidates
    that were measured for it. `extra_cost` is a share of the int8 build's work.
    """

    what: str
    setting: Setting
    error: float
    seen_error: float
    loss: float
    worst: float
    extra_cost: float
    tried: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "error": round(self.error, 6),
            "seen_error": round(self.seen_error, 6),
            "loss": round(self.loss, 6),
            "worst": round(self.worst, 6),
            "extra_cost": round(self.extra_cost, 5),
            "tried": self.tried,
            "setting": self.setting.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Unit:
    """A place that can be computed in 16 bits, and what measuring it alone gave.

    Losses are those of the search, 1 for the whole untuned build. `loss_alone`: with this place alone in 8 bits;
    `gain_int16`, `gain_float`: how much goes from the loss of the int8 build when this place alone has 16 bits, or
    stays in float; None where it was not tried. `extra_cost` is what the 16 bits cost.
    """

    node: str
    tensors: frozenset[str]
    op: str
    loss_alone: float
    gain_int16: float | None
    gain_float: float | None
    extra_cost: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A step after scoring on images: what is kept of every metric, and the agreement with the float model."""

    step: Step
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> dict[str, float]:
        """Metric -> share of the float model's; empty without labels."""
        return {kind: float(one["value"]) for kind, one in (self.report.get("kept") or {}).items()}

    def is_kept(self, share: float, confidence: float) -> bool:
        """Whether every metric keeps at least `share`, also in `confidence` of all draws of the images."""
        draws = [np.asarray(one, np.float64) for one in self.report.get("kept_draws", {}).values()]
        return all(one[0] >= share and (one[1:] >= share).mean() >= confidence for one in draws)

    @property
    def disagreement(self) -> float:
        """What is missing to full panoptic quality with the float model's detections as truth.

        Of classifiers the share of images with another first class, NaN where labels decide.
        """
        draws = self.report.get("disagreement_draws") or [None]
        return float("nan") if draws[0] is None else float(draws[0])

    def disagreement_over(self, other: Scored) -> Interval:
        """The disagreement over that of `other` on the same images, with its paired interval."""
        both = (np.asarray(one.report.get("disagreement_draws", [np.nan]), np.float64) for one in (self, other))
        return ratio(*both)

    def to_dict(self) -> dict[str, Any]:
        lost = None if math.isnan(self.disagreement) else round(self.disagreement, 6)
        scores = {name: value for name, value in self.report.items() if not name.endswith("_draws")}
        return {**self.step.to_dict(), "scores": scores, "disagreement": lost}
