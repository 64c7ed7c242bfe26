"""Numbers in logs and records that a tool wrote: finite, within reason, or none."""

from __future__ import annotations

LIMIT = 1e30
MAX_DIGITS = 60  # of a number as text; more is none of these tools'


def finite(value: object) -> float | None:
    """Return `value` as a float, None where it is no finite number of at most 1e30 in size.

    Args:
        value: A number of a JSON file, or a text that tells one.
    """
    if isinstance(value, str):
        try:
            value = float(value) if len(value) <= MAX_DIGITS else None
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LIMIT:
        return None  # an integer is compared as it is: 10**400 has no float
    return float(value)
