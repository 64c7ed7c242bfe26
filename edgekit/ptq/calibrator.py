"""How a tensor's clipping threshold is chosen: one value for the yaml, both compilers, their logs and the tuner."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from edgekit.errors import ConfigError
from edgekit.text import shorten

__all__ = ["CALIBRATOR_KEY", "Calibrator", "CalibratorMethod", "calibrator_from_json", "parse_calibrator"]

CALIBRATOR_KEY = "calibrator"  # of a build's record
CalibratorMethod = Literal["max", "kl", "mix"]
METHODS: tuple[CalibratorMethod, ...] = ("max", "kl", "mix")
LOGGED = re.compile(r"(?P<method>max|kl|mix)(-percentile)?(:(?P<key>percentile|num_bins)=(?P<value>[0-9.e-]{1,32}))?")


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A calibration method with its parameter.

    Attributes:
        method: "max" (the largest magnitude, or a percentile of it), "kl" (least Kullback-Leibler divergence), or "mix"
            (per tensor the one of several with the least squared error).
        percentile: Of "max": the fraction of all elements that do not saturate, in 0..1; None is 1.
        bins: Of "kl": bins of the reference distribution; None is the compiler's own number.
    """

    method: CalibratorMethod = "max"
    percentile: float | None = None
    bins: int | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(
                f"calibration method is {shorten(self.method)}, expected one of {', '.join(METHODS)}",
                hint="max, or max with a percentile, is usual",
            )
        if self.percentile is not None and not (self.method == "max" and 0 < self.percentile <= 1):
            raise ConfigError(
                f"percentile of calibrator {self.method!r} is {shorten(self.percentile)}, expected a fraction above 0 "
                "and up to 1, of 'max' alone",
                hint="0.9999 is usual",
            )
        if self.bins is not None and not (self.method == "kl" and self.bins > 0):
            raise ConfigError(
                f"bins of calibrator {self.method!r} is {shorten(self.bins)}, expected a number above 0, of 'kl' alone",
                hint="1024 is the toolchain's",
            )

    def __str__(self) -> str:
        """Return the name in the compilers' logs, such as "max-percentile:percentile=0.9999"."""
        if self.percentile is not None:
            return f"max-percentile:percentile={self.percentile}"
        return self.method if self.bins is None else f"{self.method}:num_bins={self.bins}"

    def yaml_fields(self) -> dict[str, Any]:
        """Return the fields of the yaml's `calibration_parameters` that ask for it; bins have no field there."""
        return {"calibration_type": self.method, "max_percentile": self.percentile}

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `calibrator_from_json` reads them."""
        fields = {"method": self.method, "percentile": self.percentile, "bins": self.bins}
        return {name: value for name, value in fields.items() if value is not None}


def parse_calibrator(name: str) -> Calibrator | None:
    """Read a method as the compilers' logs name it.

    Args:
        name: Such as "max", "max-percentile:percentile=0.99995" or "kl:num_bins=1024".

    Returns:
        The calibrator; None for a method that edgekit does not know, such as an asymmetric one.
    """
    match = LOGGED.fullmatch(name)
    if match is None:
        return None
    try:
        value = None if match["value"] is None else float(match["value"])
        percentile, bins = (value if match["key"] == key else None for key in ("percentile", "num_bins"))
        method = cast(CalibratorMethod, match["method"])
        return Calibrator(method, percentile, None if bins is None else int(bins))
    except (ValueError, ConfigError):
        return None


def calibrator_from_json(value: object) -> Calibrator:
    """Read what `Calibrator.to_json` wrote.

    Args:
        value: The parsed JSON.

    Returns:
        The calibrator.

    Raises:
        ConfigError: If it is no calibrator.
    """
    if not isinstance(value, Mapping) or not set(value) <= {"method", "percentile", "bins"}:
        raise ConfigError(f"calibrator is {shorten(value)}, expected method, percentile, bins", hint="build again")
    percentile, bins = value.get("percentile"), value.get("bins")
    if not isinstance(percentile, (int, float, type(None))) or not isinstance(bins, (int, type(None))):
        raise ConfigError(f"calibrator is {shorten(value)}, expected numbers in it", hint="build again")
    return Calibrator(
        cast(CalibratorMethod, value.get("method")), None if percentile is None else float(percentile), bins
    )
