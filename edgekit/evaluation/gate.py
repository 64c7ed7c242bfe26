"""Required scores: which a model reaches, and which it misses by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.errors import ConfigError
from edgekit.evaluation.scores import ModelScores

__all__ = ["Requirement", "check_requirements", "parse_requirements"]

KINDS = ("box", "mask", "keypoint", "rotated box", "top-1", "top-5")
ALIASES = {"pose": "keypoint", "points": "keypoint", "obb": "rotated box", "rotated": "rotated box"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """A score that was required, and the one that was measured, in 0..1.

    Attributes:
        kind: As in `ModelScores.scores`.
        measure: "mAP50-95" or "accuracy".
        required: The least.
        measured: NaN if the labels have no object that counts.
    """

    kind: str
    measure: str
    required: float
    measured: float

    @property
    def passed(self) -> bool:
        """Whether the score is reached; one that is not defined is not."""
        return self.measured >= self.required

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
        kind = ALIASES.get(name, name)
        if not separator or kind not in KINDS:
            raise ConfigError(
                f"--require has {part.strip()!r}, expected KIND=SCORE with one of {', '.join(KINDS)}",
                hint="write it as box=.37,mask=.30",
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
    for kind in required:
        if kind not in scores.scores:
            raise ConfigError(
                f"--require names {kind!r}, but {scores.model} was scored on {', '.join(scores.scores) or 'nothing'}",
                hint="require what the model's task and the labels have",
            )
    return [
        Requirement(kind, scores.scores[kind].measure, least, scores.scores[kind].overall.value)
        for kind, least in required.items()
    ]


def _score(kind: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ConfigError(
            f"--require has {kind}={text[:40]}, expected a score in 0..1", hint="write it as box=.37,mask=.30"
        )
    return value
