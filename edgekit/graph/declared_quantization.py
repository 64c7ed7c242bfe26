"""What a float graph says of its own quantization: thresholds of tensors and grids of weights, from Q/DQ nodes.

It travels in a metadata property of the ONNX, so that it is where the graph is, whatever the file is called.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.errors import ModelError
from edgekit.records import check_envelope, envelope, from_json, to_json
from edgekit.text import parse_json

__all__ = ["NOTHING_DECLARED", "PROPERTY", "DeclaredQuantization", "declare", "read_declared"]

KIND = "quantization"
PROPERTY = f"edgekit.{KIND}"  # key in metadata_props
MAX_CHARACTERS = 1 << 24  # a scale per channel takes about 12
OFF_GRID = 1e-3  # of a step: float32 rounding of integer * scale
INT8_MAGNITUDE = 128
HINT = "export the model again, and cut that export"


@dataclass(frozen=True, slots=True)
class DeclaredQuantization:
    """Thresholds and grids that came with a model.

    Attributes:
        thresholds: Tensor of the float graph -> the largest magnitude that its integers stand for.
        weight_scales: Initializer -> the value of its integer 1: one entry, or one per output channel.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    weight_scales: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scales = (scale for scales in self.weight_scales.values() for scale in scales)
        for value in (*self.thresholds.values(), *scales):
            if not (math.isfinite(value) and value > 0):
                raise ModelError(
                    f"the metadata property {PROPERTY!r} holds {value!r}, expected positive finite numbers", hint=HINT
                )

    def __bool__(self) -> bool:
        return bool(self.thresholds or self.weight_scales)

    def grid(self, name: str, weight: npt.NDArray[np.floating], axis: int) -> npt.NDArray[np.float64] | None:
        """Return the declared scale of every output channel of a weight that lies on its grid.

        Args:
            name: Of the initializer.
            weight: Its values.
            axis: Of its output channels.

        Returns:
            (channels,) float64; None where none is declared, or the values are no multiples of at most 128 of it.
        """
        declared = self.weight_scales.get(name, ())
        channels = weight.shape[axis]
        if len(declared) not in (1, channels):
            return None
        scales = np.broadcast_to(np.asarray(declared, np.float64), (channels,))
        shape = [1] * weight.ndim
        shape[axis] = channels
        integers = weight.astype(np.float64) / scales.reshape(shape)
        off = np.abs(integers - np.rint(integers)).max(initial=0)
        return scales if off < OFF_GRID and np.abs(integers).max(initial=0) < INT8_MAGNITUDE + OFF_GRID else None


NOTHING_DECLARED = DeclaredQuantization()


def declare(model: onnx.ModelProto, declared: DeclaredQuantization) -> None:
    """Write `declared` into the metadata of `model`, in place; nothing where it is empty."""
    kept = [p for p in model.metadata_props if p.key != PROPERTY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    if declared:
        text = json.dumps({**envelope(KIND), **to_json(declared)}, sort_keys=True)
        model.metadata_props.append(onnx.StringStringEntryProto(key=PROPERTY, value=text))


def read_declared(model: onnx.ModelProto) -> DeclaredQuantization:
    """Read what `declare` wrote.

    Args:
        model: The graph.

    Returns:
        The declaration; `NOTHING_DECLARED` where there is none.

    Raises:
        ModelError: The property is there but is no such document.
    """
    text = next((p.value for p in model.metadata_props if p.key == PROPERTY), "")
    if not text:
        return NOTHING_DECLARED
    location = f"the metadata property {PROPERTY!r}"
    if len(text) > MAX_CHARACTERS:
        raise ModelError(f"{location} has {len(text)} characters, expected at most {MAX_CHARACTERS}", hint=HINT)
    document = check_envelope(parse_json(text, location, error=ModelError), KIND, location, hint=HINT)
    return from_json(DeclaredQuantization, document, location)
