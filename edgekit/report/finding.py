"""What a rule of the verdict found."""

from __future__ import annotations

from dataclasses import dataclass

SEVERITIES = ("stop", "bad", "warn", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: `value` against `bound` (None where there is no number) and the next thing to type."""

    rule: str
    severity: str
    title: str
    detail: str
    action: str = ""
    value: float | None = None
    bound: float | None = None
