"""The fitted factors of the latency model: the file beside this one, its version and its statement of error."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgekit.latency.schedule import Channel

__all__ = [
    "FILE",
    "FORMAT",
    "BuildError",
    "ErrorBand",
    "LatencyParameters",
    "LayerSum",
    "load_parameters",
    "parameters_from_dict",
]

FORMAT = "edgekit.latency/1"
FILE = Path(__file__).with_name("bayes_e.json")


@dataclass(frozen=True, slots=True)
class ErrorBand:
    """Errors of the frame time on families that were left out of the fit, as shares of the compiled time."""

    builds: int
    median: float
    band: float  # nine of ten lie within, frames and, where they are worse, sums of layers
    worst: float
    rank: float  # correlation of the layers' ranks, median over builds


@dataclass(frozen=True, slots=True)
class BuildError:
    """One compiled build: its frame at O3 and what the model said of it with its family left out of the fit."""

    name: str
    family: str
    int16: bool
    compiled_us: float
    left_out_us: float
    rank: float | None  # None where the build gave no layers


@dataclass(frozen=True, slots=True)
class LayerSum:
    """The computing of one build's layers, without memory, as compiled and with its family left out of the fit."""

    name: str
    family: str
    int16: bool
    compiled_us: float
    left_out_us: float
    rank: float


@dataclass(frozen=True, slots=True)
class LatencyParameters:
    """Everything fitted.

    `groups`: per group of layers (`features.group_of`) the factor of each feature; `scales`: per unit, what the
    compiler's order of layers makes of the sum of their times; `spill`: bytes of maps that wait on the chip;
    `frame_us`: the shortest and longest frames that the bands hold for; `int16_share`: the largest share of a frame
    that layers with 16-bit operands took in the fit.
    """

    version: int
    march: str
    compiler: str
    groups: Mapping[str, Mapping[str, float]]
    scales: Mapping[str, float]
    spill: float
    channel: Channel
    int8: ErrorBand
    int16: ErrorBand
    frame_us: tuple[float, float]
    int16_share: float
    builds: tuple[BuildError, ...]
    sums: tuple[LayerSum, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the file's content."""
        return {
            "format": FORMAT,
            "version": self.version,
            "march": self.march,
            "compiler": self.compiler,
            "groups": {name: dict(factors) for name, factors in self.groups.items()},
            "scales": dict(self.scales),
            "spill": self.spill,
            "channel": asdict(self.channel),
            "int8": asdict(self.int8),
            "int16": asdict(self.int16),
            "frame_us": list(self.frame_us),
            "int16_share": self.int16_share,
            "builds": [asdict(build) for build in self.builds],
            "sums": [asdict(part) for part in self.sums],
        }


@functools.cache
def load_parameters() -> LatencyParameters:
    """Read the file that ships with the package.

    Returns:
        The fitted factors, with the march and compiler that they are of.
    """
    return parameters_from_dict(json.loads(FILE.read_text(encoding="utf-8")))


def parameters_from_dict(value: Mapping[str, Any]) -> LatencyParameters:
    """Make the parameters of the file's content, as `to_dict` wrote it."""
    assert value["format"] == FORMAT, value["format"]
    low, high = value["frame_us"]
    return LatencyParameters(
        version=value["version"],
        march=value["march"],
        compiler=value["compiler"],
        groups=MappingProxyType({name: MappingProxyType(factors) for name, factors in value["groups"].items()}),
        scales=MappingProxyType(value["scales"]),
        spill=value["spill"],
        channel=Channel(**value["channel"]),
        int8=ErrorBand(**value["int8"]),
        int16=ErrorBand(**value["int16"]),
        frame_us=(low, high),
        int16_share=value["int16_share"],
        builds=tuple(BuildError(**row) for row in value["builds"]),
        sums=tuple(LayerSum(**row) for row in value["sums"]),
    )
