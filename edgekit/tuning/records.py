"""What tuning tried and kept: steps of the search, sensitivities of layers, scored trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.evaluation.bootstrap import Interval, ratio
from edgekit.tuning.candidate import Candidate

__all__ = ["QuantPoint", "SearchStep", "Trial"]


@dataclass(frozen=True, slots=True)
class SearchStep:
    """A candidate that was kept, and what measuring it gave.

    Attributes:
        change: What was changed, in words.
        candidate: The candidate.
        error: Mean relative error of the outputs over all cells.
        weighted_error: Mean relative error of what detections are made of.
        loss: What the search minimizes; 1 for the untuned default.
        constraint_value: What is compared with the targets; 1 for the untuned default.
        extra_cost: Estimated time of its int16 tensors on the board, as a share of the int8 build's.
        tried: Number of candidates measured for it.
        milliseconds: The whole frame by the static estimate; None for a march without a latency model.
    """

    change: str
    candidate: Candidate
    error: float
    weighted_error: float
    loss: float
    constraint_value: float
    extra_cost: float
    tried: int
    milliseconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "change": self.change,
            "error": round(self.error, 6),
            "weighted_error": round(self.weighted_error, 6),
            "loss": round(self.loss, 6),
            "constraint_value": round(self.constraint_value, 6),
            "extra_cost": round(self.extra_cost, 5),
            "milliseconds": None if self.milliseconds is None else round(self.milliseconds, 4),
            "tried": self.tried,
            "candidate": self.candidate.to_json(),
        }


@dataclass(frozen=True, slots=True)
class QuantPoint:
    """Tensors that can be computed in 16 bits together, and their sensitivity.

    Losses are those of the search, 1 for the untuned build. Behind learning they are not measured one by one but
    follow from each tensor's share of the build's loss (`attribution.py`), whose squares add up.

    Attributes:
        node: The node that they belong to.
        tensors: Names of the float tensors.
        op: The operations that make them.
        loss_alone: With only these tensors in int8, all others in float.
        gain_int16: By how much the loss of the int8 build falls with only these in int16; None if not measured.
        gain_float: The same with only these in float.
        extra_cost: Estimated time of their 16 bits, as a share of the int8 build's.
        extra_ms: The same in milliseconds; None for a march without a latency model.
    """

    node: str
    tensors: frozenset[str]
    op: str
    loss_alone: float
    gain_int16: float | None
    gain_float: float | None
    extra_cost: float
    extra_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A step scored on images: what is kept of every metric, and the agreement with the float model."""

    step: SearchStep
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> dict[str, float]:
        """Metric -> share of the float model's; empty without labels."""
        return {kind: float(share["value"]) for kind, share in (self.report.get("kept") or {}).items()}

    def keeps(self, share: float, confidence: float) -> bool:
        """Return whether every metric keeps at least `share`, also in `confidence` of all draws of the images."""
        draws = [np.asarray(values, np.float64) for values in self.report.get("kept_draws", {}).values()]
        return all(values[0] >= share and (values[1:] >= share).mean() >= confidence for values in draws)

    @property
    def disagreement(self) -> float:
        """What is missing to a panoptic quality of 1 with the float model's detections as ground truth.

        Of classifiers the share of images with another first class; NaN if labels alone decide.
        """
        draws = self.report.get("disagreement_draws") or [None]
        return float("nan") if draws[0] is None else float(draws[0])

    def disagrees_less_than(self, reference: Trial, confidence: float) -> bool:
        """Return whether the disagreement is below that of `reference`, in `confidence` of all draws, too."""
        own, its = (np.asarray(t.report.get("disagreement_draws") or [np.nan], np.float64) for t in (self, reference))
        return bool(own[0] < its[0] and (own[1:] < its[1:]).mean() >= confidence)

    def disagreement_over(self, reference: Trial) -> Interval:
        """Return the disagreement over that of `reference` on the same images, with its paired interval."""
        draws = (np.asarray(t.report.get("disagreement_draws", [np.nan]), np.float64) for t in (self, reference))
        return ratio(*draws)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, without the draws."""
        disagreement = None if math.isnan(self.disagreement) else round(self.disagreement, 6)
        scores = {name: value for name, value in self.report.items() if not name.endswith("_draws")}
        return {**self.step.to_json(), "scores": scores, "disagreement": disagreement}
