"""A setting: everything that tuning may choose for a build, as plain values that a job can carry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgekit.errors import ConfigError

PLAIN = "plain"  # the float graph as `edgekit cut` wrote it
MAX, KL, MIX = "max", "kl", "mix"


@dataclass(frozen=True, slots=True)
class Setting:
    """What one candidate build is made with.

    `images` names a calibration set and `graph` a float graph, both of the tuning folder; `calibrator` is "max",
    "kl", "mix" or "max:P" with the percentile P in 0..1. `limits` caps thresholds, by the tensor of a convolution's
    output; `wide` are the float tensors computed in 16 bits, which have steps enough to need no cap.
    """

    images: str
    calibrator: str = MAX
    graph: str = PLAIN
    limits: tuple[tuple[str, float], ...] = ()
    wide: tuple[str, ...] = ()

    @property
    def percentile(self) -> float | None:
        """The fraction of "max:P"; None for the others."""
        name, _, value = self.calibrator.partition(":")
        return float(value) if name == MAX and value else None

    @property
    def calibration_type(self) -> str:
        """The yaml's word for the calibrator."""
        return self.calibrator.partition(":")[0]

    @property
    def key(self) -> str:
        """Twelve hex digits that stand for all of it; names of files."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:12]

    def with_limit(self, tensor: str, limit: float | None) -> Setting:
        """The same with another cap on one tensor, or with none."""
        limits = {name: value for name, value in self.limits if name != tensor}
        if limit is not None:
            limits[tensor] = limit
        return replace(self, limits=tuple(sorted(limits.items())))

    def with_wide(self, tensors: frozenset[str]) -> Setting:
        """The same with `tensors` in 16 bits, too."""
        return replace(self, wide=tuple(sorted({*self.wide, *tensors})))

    def to_dict(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "calibrator": self.calibrator,
            "graph": self.graph,
            "limits": dict(self.limits),
            "wide": list(self.wide),
        }


def setting_from(values: Mapping[str, Any]) -> Setting:
    """The setting that `to_dict` wrote; raises ConfigError where it is none."""
    try:
        limits = tuple(sorted((str(name), float(limit)) for name, limit in values["limits"].items()))
        wide = tuple(sorted(str(name) for name in values["wide"]))
        return Setting(str(values["images"]), str(values["calibrator"]), str(values["graph"]), limits, wide)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"a setting of the tuning store is damaged ({error})", hint="delete the tuning folder and begin again"
        ) from error
