"""What layers on the board's CPU take at least, from the offsets measured between boards and static estimates.

One thread of an RDK X5 takes 3.0 ms beside the BPU for an n-size detect model, whose 8400 cells x 144 channels are
dequantized: 2.5 ns a number; 5.4 ms for a segment model, 8400 x 176 and 160 x 160 x 32 numbers: 2.3 ns; 0.2 ms for a
classifier, whose thousand numbers are nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.latency.layer import FeatureMap, Layer

__all__ = ["NS_PER_NUMBER", "START_US", "cpu_us"]

NS_PER_NUMBER = 2.4  # read, converted and written once by a Cortex-A55 at 1.8 GHz
START_US = 200.0  # a frame with any such layer: the offset of classifiers


def cpu_us(layers: Sequence[Layer]) -> float:
    """Return the microseconds that CPU layers take at least: one pass over the numbers of each, and one start.

    Args:
        layers: Layers of the CPU, of one frame.

    Returns:
        0 where there are none.
    """
    passes = sum(max(_numbers(layer.inputs), _numbers(layer.outputs)) for layer in layers)
    return START_US + passes * NS_PER_NUMBER / 1e3 if layers else 0.0


def _numbers(maps: Sequence[FeatureMap]) -> int:
    return max((8 * feature_map.bytes // feature_map.bits for feature_map in maps), default=0)
