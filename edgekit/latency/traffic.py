"""Bytes that each layer moves between the chip and the memory: weights, inputs, results, and maps kept for later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.latency.layer import FeatureMap, Layer

__all__ = ["Traffic", "traffic"]

INT16_ROOM = 2  # what 16-bit maps take on the chip, of their bytes: products of their halves are summed beside them
IMAGE_SHARE = 0.5  # an NV12 image has half the bytes of the map that the first layer makes of it


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes loaded before a layer runs and stored behind it."""

    load: float
    store: float


def traffic(layers: Sequence[Layer], on_chip: float) -> tuple[Traffic, ...]:
    """Count the traffic of every layer.

    Maps wait on the chip for their readers as long as they fit; of those that do not fit, the one whose next reader is
    the farthest goes to the memory and comes back. A map that the next layer alone reads passes through in strips.

    Args:
        layers: In the order in which they run.
        on_chip: Bytes of maps that wait on the chip.

    Returns:
        One entry per layer.
    """
    chip = _Chip(layers, on_chip)
    return tuple(chip.run(index, layer) for index, layer in enumerate(layers))


class _Chip:
    """Which maps lie on the chip, and which in the memory."""

    def __init__(self, layers: Sequence[Layer], capacity: float) -> None:
        self._uses = _uses(layers)
        self._capacity = capacity
        self._here: dict[str, FeatureMap] = {}
        self._stored: set[str] = set()

    def run(self, index: int, layer: Layer) -> Traffic:
        if layer.on_cpu:
            return Traffic(0.0, 0.0)
        load, store = float(layer.weight_bytes), 0.0
        if layer.is_input:
            load += IMAGE_SHARE * sum(feature_map.bytes for feature_map in layer.inputs)
        for feature_map in layer.inputs:
            if feature_map.name in self._stored and feature_map.name not in self._here:
                load += feature_map.bytes
                self._here[feature_map.name] = feature_map
        for feature_map in layer.outputs:
            if layer.is_output:
                store += feature_map.bytes
                self._stored.add(feature_map.name)
            self._here[feature_map.name] = feature_map
        return Traffic(load, store + self._make_room(index))

    def _make_room(self, index: int) -> float:
        """Bytes stored so that what stays fits."""
        stored = 0.0
        waiting = {name: later for name in self._here if (later := self._next_use(name, index)) > index}
        self._here = {name: self._here[name] for name in waiting}
        kept = [name for name, later in waiting.items() if later > index + 1]
        size = sum(_room(self._here[name]) for name in kept)
        for name in sorted(kept, key=lambda name: -waiting[name]):
            if size <= self._capacity:
                break
            gone = self._here.pop(name)
            size -= _room(gone)
            if name not in self._stored:
                stored += gone.bytes
                self._stored.add(name)
        return stored

    def _next_use(self, name: str, index: int) -> int:
        return next((use for use in self._uses.get(name, ()) if use > index), -1)


def _room(feature_map: FeatureMap) -> int:
    """Bytes of the chip that a waiting map takes."""
    return feature_map.bytes * (INT16_ROOM if feature_map.bits == 16 else 1)


def _uses(layers: Sequence[Layer]) -> Mapping[str, Sequence[int]]:
    """Per map, the layers that read it, in order."""
    uses: dict[str, list[int]] = {}
    for index, layer in enumerate(layers):
        for feature_map in layer.inputs:
            if not layer.on_cpu:
                uses.setdefault(feature_map.name, []).append(index)
    return uses
