"""What a layer asks of the BPU, against counts by hand."""

from __future__ import annotations

import pytest

from edgekit.latency.features import ARRAY, MOVEMENT, VECTOR, features, group_of, unit_of
from edgekit.latency.layer import FeatureMap, Layer

HEADS = FeatureMap("x", (1, 2, 8, 64), 8)


def layer(op: str, read: FeatureMap, written: FeatureMap, **values: object) -> Layer:
    return Layer("node", op, (read,), (written,), **values)  # type: ignore[arg-type]


def square(side: int, channels: int, bits: int = 8) -> FeatureMap:
    return FeatureMap("x", (1, side, side, channels), bits)


def test_products_of_a_kernel_that_fits_its_blocks() -> None:
    found = features(layer("Conv", square(40, 64), square(40, 64), kernel=(3, 3)))
    assert found["products"] == pytest.approx(40 * 40 * 64 * 64 * 9 / 2048e3)
    assert found["out"] == pytest.approx(40 * 40 * 64 / 32e3)


@pytest.mark.parametrize(
    ("side", "channels", "kernel", "padded"),
    [
        (10, 64, 3, 12 * 16 * 64 * 64 * 9),  # rows in blocks of 4, columns of 8
        (20, 40, 3, 20 * 24 * 40 * 48 * 9),  # 40 output channels count as 48
        (40, 40, 1, 40 * 40 * 40 * 64),  # of a 1x1 convolution as 64
    ],
)
def test_maps_are_padded_to_blocks(side: int, channels: int, kernel: int, padded: int) -> None:
    found = features(layer("Conv", square(side, channels), square(side, channels), kernel=(kernel, kernel)))
    assert found["products"] == pytest.approx(padded / 2048e3)


def test_sixteen_bits_take_the_array_twice() -> None:
    narrow, wide = (features(layer("Conv", square(40, 64, bits), square(40, 64), kernel=(3, 3))) for bits in (8, 16))
    assert wide["products"] == 2 * narrow["products"]
    assert narrow["sums"] == 0 < wide["sums"]


def test_a_reader_with_a_stride_wants_the_map_once_more() -> None:
    plain = features(layer("Lut", square(80, 32), square(80, 32)))
    strided = features(layer("Lut", square(80, 32), square(80, 32), strided_readers=True))
    assert plain["strided"] == 0 and strided["strided"] == strided["out"]
    in_16_bits = features(layer("Lut2Layer", square(80, 32, 16), square(80, 32, 16), strided_readers=True))
    assert in_16_bits["strided"] == 0


@pytest.mark.parametrize(
    ("made", "group", "unit"),
    [
        (layer("Conv", square(8, 8), square(8, 8)), "Conv", ARRAY),
        (layer("Conv", square(8, 8), square(8, 8, 32)), "Conv to int32", ARRAY),
        (layer("Conv", square(8, 8, 16), square(8, 8, 32)), "Conv to int32 int16", ARRAY),
        (layer("Conv", square(8, 8), square(8, 8), group=8, kernel=(3, 3)), "Depthwise", ARRAY),
        (layer("Lut", square(8, 8), square(8, 8)), "Lut", VECTOR),
        (layer("Lut", square(8, 8, 16), square(8, 8, 16)), "Lut2Layer int16", VECTOR),
        (layer("MaxPool", square(8, 8), square(8, 8), kernel=(5, 5)), "Pool", VECTOR),
        (layer("Concat", square(8, 8), square(8, 8)), "Concat", MOVEMENT),
        (layer("Reshape", HEADS, FeatureMap("y", (1, 16, 8, 8), 8)), "Reshape short", MOVEMENT),
        (layer("Reshape", HEADS, FeatureMap("y", (1, 8, 128), 8)), "Reshape", MOVEMENT),
    ],
)  # fmt: skip
def test_groups_and_units(made: Layer, group: str, unit: str) -> None:
    assert group_of(made) == group and unit_of(made) == unit
