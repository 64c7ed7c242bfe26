"""Required scores: which a model reaches, and which it misses by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.errors import ConfigError
from edgekit.evaluation.bootstrap import Interval
from edgekit.evaluation.map_scores import MEASURES
from edgekit.evaluation.scores import ModelScores

__all__ = [
    "Requirement",
    "check_map_requirements",
    "check_requirements",
    "parse_requirements",
    "require_measures",
]

MAP_KINDS = tuple(measure for measures in MEASURES.values() for measure in measures)
KINDS = ("box", "mask", "keypoint", "rotated box", "top-1", "top-5", *MAP_KINDS)
ALIASES = {"pose": "keypoint", "points": "keypoint", "obb": "rotated box", "rotated": "rotated box"}
BY_LETTERS = {kind.lower().replace(" ", ""): kind for kind in MAP_KINDS}  # miou, pixelaccuracy, ... as they are typed
AT_MOST = ("AbsRel", "RMSE")  # errors: the largest that passes
LARGEST_ERROR = 1e6


@dataclass(frozen=True, slots=True)
class Requirement:
    """A score that was required, and the one that was measured: in 0..1 but for RMSE, which is in metres.

    Attributes:
        kind: As in `ModelScores.scores`, or a measure of maps.
        measure: "mAP50-95" or "accuracy"; of maps the kind itself.
        required: The least, of errors the most.
        measured: NaN if the labels have no object that counts.
    """

    kind: str
    measure: str
    required: float
    measured: float

    @property
    def passed(self) -> bool:
        """Whether the score is reached; one that is not defined is not."""
        return self.measured <= self.required if self.is_error else self.measured >= self.required

    @property
    def is_error(self) -> bool:
        """Whether the smaller one is the better."""
        return self.kind in AT_MOST

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        measured = None if math.isnan(self.measured) else round(self.measured, 6)
        return {
            "kind": self.kind,
            "measure": self.measure,
            "required": self.required,
            "measured": measured,
            "difference": None if measured is None else round(measured - self.required, 6),
            "passed": self.passed,
        }


def parse_requirements(text: str) -> dict[str, float]:
    """Read what `--require` takes.

    Args:
        text: Such as "box=.37,mask=.30".

    Returns:
        The least score by kind.

    Raises:
        ConfigError: A kind is unknown or twice there, or a score is no number in 0..1.
    """
    required: dict[str, float] = {}
    for part in text.split(","):
        name, separator, number = (piece.strip() for piece in part.partition("="))
        kind = ALIASES.get(name, BY_LETTERS.get(name.lower().replace(" ", "").replace("_", ""), name))
        if not separator or kind not in KINDS:
            raise ConfigError(
                f"--require has {part.strip()!r}, expected KIND=SCORE with one of {', '.join(KINDS)}",
                hint="write it as box=.37,mask=.30, or miou=.5",
            )
        if kind in required:
            raise ConfigError(f"--require names {kind!r} twice, expected it once", hint="keep one of them")
        required[kind] = _score(kind, number)
    return required


def check_requirements(scores: ModelScores, required: Mapping[str, float]) -> Sequence[Requirement]:
    """Compare a model's scores with those required.

    Args:
        scores: Of the model.
        required: The least score by kind.

    Returns:
        A requirement per kind.

    Raises:
        ConfigError: A kind was not scored: the model's task or the labels lack it.
    """
    require_measures(tuple(scores.scores), scores.model, required)
    return [
        Requirement(kind, scores.scores[kind].measure, least, scores.scores[kind].overall.value)
        for kind, least in required.items()
    ]


def check_map_requirements(
    scores: Mapping[str, Interval], model: str, required: Mapping[str, float]
) -> Sequence[Requirement]:
    """Compare the scores of a model of maps with those required.

    Args:
        scores: Measure -> score on labels.
        model: Name of its file.
        required: The least score by measure, of errors the most.

    Returns:
        A requirement per measure.

    Raises:
        ConfigError: A measure is none of the model's.
    """
    require_measures(tuple(scores), model, required)
    return [Requirement(kind, kind, limit, scores[kind].value) for kind, limit in required.items()]


def require_measures(measures: Sequence[str], model: str, required: Mapping[str, float]) -> None:
    """Refuse requirements that a model is not scored on.

    Args:
        measures: What it is scored on.
        model: Name of its file.
        required: What --require names.

    Raises:
        ConfigError: A kind is none of `measures`.
    """
    for kind in required:
        if kind not in measures:
            raise ConfigError(
                f"--require names {kind!r}, but {model} is scored on {', '.join(measures) or 'nothing'}",
                hint="require what the model's task and the labels have",
            )


def _score(kind: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    largest = LARGEST_ERROR if kind in AT_MOST else 1
    if not 0 <= value <= largest:
        expected = "an error above 0" if kind in AT_MOST else "a score in 0..1"
        raise ConfigError(f"--require has {kind}={text[:40]}, expected {expected}", hint="write it as box=.37,mask=.30")
    return value
